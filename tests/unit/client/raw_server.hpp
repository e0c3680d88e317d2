// A server of bytes: accepts connections one after another and lets the test say what goes over
// each.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace gyre::client::testing {

// One accepted connection.
class RawConnection {
 public:
  RawConnection(int fd, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {}

  // One HTTP request with its body by Content-Length; empty once the peer is gone.
  std::string read_request() {
    std::string text;
    while (true) {
      const std::size_t head_end = text.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        const std::size_t at = text.find("Content-Length: ");
        const std::size_t body =
            at == std::string::npos || at > head_end ? 0 : std::stoul(text.substr(at + 16));
        if (text.size() >= head_end + 4 + body) return text;
      }
      if (!read_some(text)) return "";
    }
  }

  // False once the peer is gone or the test ends.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void wait_until_the_test_ends() {
    while (!stop_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  bool wait_until_closed() {
    std::string ignored;
    while (read_some(ignored)) ignored.clear();
    return !stop_;
  }

 private:
  bool wait(short events) {
    while (!stop_) {
      pollfd entry{fd_, events, 0};
      if (::poll(&entry, 1, 20) > 0) return true;
    }
    return false;
  }
  bool read_some(std::string& text) {
    if (!wait(POLLIN)) return false;
    char buffer[4096];
    const ssize_t received = ::recv(fd_, buffer, sizeof buffer, 0);
    if (received <= 0) return false;
    text.append(buffer, static_cast<std::size_t>(received));
    return true;
  }

  int fd_;
  const std::atomic<bool>& stop_;
};

class RawServer {
 public:
  explicit RawServer(std::function<void(RawConnection&)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || ::bind(listener_, generic, sizeof address) != 0 ||
        ::listen(listener_, 16) != 0 || ::getsockname(listener_, generic, &bytes) != 0) {
      throw std::runtime_error("no socket for a test server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~RawServer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] int connections() const noexcept { return connections_; }

 private:
  void accept_all() {
    while (!stop_) {
      pollfd entry{listener_, POLLIN, 0};
      if (::poll(&entry, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      RawConnection connection(fd, stop_);
      serve_(connection);
      ::close(fd);
    }
  }

  std::function<void(RawConnection&)> serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace gyre::client::testing
