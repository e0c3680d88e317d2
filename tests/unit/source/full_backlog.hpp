// A port that nobody answers at.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace gyre::source {

// Listens on 127.0.0.1 with a queue that is full: further connections are neither accepted nor
// refused.
class FullBacklog {
 public:
  FullBacklog() {
    const int listener = add_socket(0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener, generic, bytes) != 0 || ::listen(listener, 0) != 0 ||
        ::getsockname(listener, generic, &bytes) != 0) {
      throw std::runtime_error("no socket that does not answer");
    }
    port_ = ntohs(address.sin_port);
    // One fills the queue; the kernel lets in a few more than it was told.
    for (int i = 0; i < 8; ++i)
      static_cast<void>(::connect(add_socket(SOCK_NONBLOCK), generic, bytes));
  }
  ~FullBacklog() {
    for (const int fd : sockets_) ::close(fd);
  }
  FullBacklog(const FullBacklog&) = delete;
  FullBacklog& operator=(const FullBacklog&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  // Sockets that are connecting to it now, its own included.
  [[nodiscard]] std::size_t connecting() const {
    std::array<char, 24> remote{};
    std::snprintf(remote.data(), remote.size(), " 0100007F:%04X 02 ", unsigned{port_});
    std::ifstream sockets("/proc/self/net/tcp");
    std::size_t count = 0;
    for (std::string line; std::getline(sockets, line);)
      if (line.find(remote.data()) != std::string::npos) ++count;
    return count;
  }

 private:
  int add_socket(int flags) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) throw std::runtime_error("no socket");
    sockets_.push_back(fd);
    return fd;
  }
  std::vector<int> sockets_;
  std::uint16_t port_ = 0;
};

}  // namespace gyre::source
