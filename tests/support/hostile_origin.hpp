// An HTTP origin that does what a test says, byte by byte, over TCP or TLS.
#pragma once

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "harness/client/quiet_socket_bio.hpp"

namespace gyre {

// One accepted connection. Every wait ends when the peer is gone or the test ends.
class OriginPeer {
 public:
  OriginPeer(int fd, SSL_CTX* tls, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    BIO* const bio = client::new_quiet_socket_bio(fd);
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  ~OriginPeer() {
    if (fd_ >= 0) ::close(fd_);
    ERR_clear_error();
  }
  OriginPeer(const OriginPeer&) = delete;
  OriginPeer& operator=(const OriginPeer&) = delete;

  // The TLS handshake; true at once without TLS.
  bool accept() {
    return ssl_ == nullptr || retry([&] { return SSL_accept(ssl_.get()); }) == 1;
  }

  // The name that the client asked for in the handshake.
  std::string server_name() const {
    const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }

  // The head of a request; empty once the peer is gone.
  std::string read_request() {
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos) {
      if (!receive_some(text)) return "";
    }
    return text;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const int size = static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20));
      const int sent =
          ssl_ != nullptr ? retry([&] { return SSL_write(ssl_.get(), bytes.data(), size); })
                          : retry([&] {
                              return static_cast<int>(::send(
                                  fd_, bytes.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL));
                            });
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // `piece` again and again until the peer has had enough, with a pause after each.
  void send_without_end(std::string_view piece, std::chrono::milliseconds pause = {}) {
    while (!stop_ && send(piece)) {
      if (pause.count() > 0) std::this_thread::sleep_for(pause);
    }
  }

  // Says goodbye in TLS; nothing without.
  void end_tls() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
  }

  // Closes with a reset instead of an end.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd_);
    fd_ = -1;
  }

  // Says nothing until the peer has gone, not even in TLS.
  void wait_until_closed() {
    char ignored[4096];
    while (!stop_) {
      const ssize_t received = ::recv(fd_, ignored, sizeof ignored, 0);
      if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) return;
    }
  }

 private:
  // Repeats what ran into the socket's short time-out.
  template <typename Step>
  int retry(Step step) {
    while (!stop_) {
      ERR_clear_error();
      errno = 0;
      const int result = step();
      if (result > 0) return result;
      const bool again = ssl_ != nullptr
                             ? [&] {
                                 const int reason = SSL_get_error(ssl_.get(), result);
                                 return reason == SSL_ERROR_WANT_READ ||
                                        reason == SSL_ERROR_WANT_WRITE;
                               }()
                             : result < 0 && (errno == EAGAIN || errno == EINTR);
      if (!again) return result;
    }
    return -1;
  }

  bool receive_some(std::string& text) {
    char buffer[4096];
    const int received =
        ssl_ != nullptr
            ? retry([&] { return SSL_read(ssl_.get(), buffer, sizeof buffer); })
            : retry([&] { return static_cast<int>(::recv(fd_, buffer, sizeof buffer, 0)); });
    if (received <= 0) return false;
    text.append(buffer, static_cast<std::size_t>(received));
    return true;
  }

  struct SslFree {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };

  int fd_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<SSL, SslFree> ssl_;
};

// Listens on 127.0.0.1 and serves one connection after another.
class HostileOrigin {
 public:
  struct Certificate {
    std::string certificate_file;
    std::string key_file;
  };

  explicit HostileOrigin(std::function<void(OriginPeer&)> serve) : HostileOrigin({}, serve) {}

  // Over TLS with that certificate; the handshake is the script's first step, peer.accept().
  HostileOrigin(const Certificate& certificate, std::function<void(OriginPeer&)> serve)
      : serve_(std::move(serve)) {
    if (!certificate.certificate_file.empty()) {
      tls_.reset(SSL_CTX_new(TLS_server_method()));
      require(SSL_CTX_use_certificate_file(tls_.get(), certificate.certificate_file.c_str(),
                                           SSL_FILETYPE_PEM) == 1);
      require(SSL_CTX_use_PrivateKey_file(tls_.get(), certificate.key_file.c_str(),
                                          SSL_FILETYPE_PEM) == 1);
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    require(listener_ >= 0 && ::bind(listener_, generic, sizeof address) == 0);
    require(::listen(listener_, 16) == 0 && ::getsockname(listener_, generic, &bytes) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~HostileOrigin() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  HostileOrigin(const HostileOrigin&) = delete;
  HostileOrigin& operator=(const HostileOrigin&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string port_text() const { return std::to_string(port_); }
  // Accepted so far.
  [[nodiscard]] int connections() const noexcept { return connections_; }

 private:
  static void require(bool done) {
    if (!done) throw std::runtime_error("a test origin could not be set up");
  }

  void accept_all() {
    while (!stop_) {
      pollfd entry{listener_, POLLIN, 0};
      if (::poll(&entry, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const timeval short_time{0, 20'000};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time);
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof short_time);
      ++connections_;
      OriginPeer peer(fd, tls_.get(), stop_);
      serve_(peer);
    }
  }

  struct ContextFree {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };

  std::function<void(OriginPeer&)> serve_;
  std::unique_ptr<SSL_CTX, ContextFree> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace gyre
