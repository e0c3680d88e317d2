#include "harness/source/connection.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "core/fault_point.hpp"
#include "harness/client/client_socket.hpp"
#include "harness/client/server_address.hpp"
#include "harness/client/tls_session.hpp"
#include "harness/source/admission.hpp"

namespace gyre::source {
namespace {

using client::HttpTrouble;
using client::Wait;

tl::unexpected<Error> cancelled() {
  return fail(ErrorCode::cancelled, "reading the source was cancelled");
}

tl::unexpected<Error> timed_out() {
  return fail(ErrorCode::source_timed_out, "the origin took longer than its time-out");
}

tl::unexpected<Error> cut_off() {
  return fail(ErrorCode::source_failed, "the origin broke the connection");
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// What one attempt to move bytes came to. `events`: what to wait for before the next one.
struct Attempt {
  enum class Outcome : std::uint8_t { moved, ended, wait, failed };
  Outcome outcome = Outcome::failed;
  std::size_t bytes = 0;
  short events = 0;
};

class SocketConnection : public Connection {
 public:
  SocketConnection(FileDescriptor socket, std::stop_token stop)
      : socket_(std::move(socket)), stop_(std::move(stop)) {}

  Result<void> send(std::string_view bytes, Clock::time_point until) override {
    while (!bytes.empty()) {
      auto sent = move_bytes(until, [&] { return try_send(bytes); });
      if (!sent) return forward_error(sent);
      if (*sent == 0) return cut_off();
      bytes.remove_prefix(*sent);
    }
    return {};
  }

  Result<std::size_t> receive(std::span<std::byte> into, Clock::time_point until) override {
    return move_bytes(until, [&] { return try_receive(into); });
  }

 protected:
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  virtual Attempt try_send(std::string_view bytes) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return attempt_of(sent, POLLOUT);
  }

  virtual Attempt try_receive(std::span<std::byte> into) {
    const ssize_t received = ::recv(fd(), into.data(), into.size(), 0);
    return attempt_of(received, POLLIN);
  }

 private:
  static Attempt attempt_of(ssize_t moved, short events) noexcept {
    if (moved > 0) return {Attempt::Outcome::moved, static_cast<std::size_t>(moved), 0};
    if (moved == 0) return {Attempt::Outcome::ended, 0, 0};
    if (errno == EAGAIN || errno == EINTR) return {Attempt::Outcome::wait, 0, events};
    return {};
  }

  template <typename Try>
  Result<std::size_t> move_bytes(Clock::time_point until, Try attempt_to_move) {
    while (true) {
      // An origin that is always ready is never waited for: these are looked at first.
      if (stop_.stop_requested()) return cancelled();
      if (Clock::now() >= until) return timed_out();
      const Attempt attempt = attempt_to_move();
      switch (attempt.outcome) {
        case Attempt::Outcome::moved:
          return attempt.bytes;
        case Attempt::Outcome::ended:
          return std::size_t{0};
        case Attempt::Outcome::failed:
          return cut_off();
        case Attempt::Outcome::wait:
          break;
      }
      switch (client::wait_for(fd(), attempt.events, until, stop_)) {
        case Wait::ready:
          break;
        case Wait::timed_out:
          return timed_out();
        case Wait::cancelled:
          return cancelled();
        case Wait::failed:
          return cut_off();
      }
    }
  }

  FileDescriptor socket_;
  std::stop_token stop_;
};

class TlsConnection final : public SocketConnection {
 public:
  // Takes over the session, which is over this socket.
  TlsConnection(FileDescriptor socket, SSL* ssl, std::stop_token stop)
      : SocketConnection(std::move(socket), std::move(stop)), ssl_(ssl) {}
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;
  ~TlsConnection() override { client::end_tls(ssl_, /*gracefully=*/true); }

 private:
  Attempt try_send(std::string_view bytes) override {
    ::ERR_clear_error();
    const std::size_t size = std::min<std::size_t>(bytes.size(), INT_MAX);
    return attempt_of(::SSL_write(ssl_, bytes.data(), static_cast<int>(size)));
  }

  // A record is at most 16 KiB: as many as there are.
  Attempt try_receive(std::span<std::byte> into) override {
    std::size_t filled = 0;
    while (filled < into.size()) {
      const std::size_t room = std::min<std::size_t>(into.size() - filled, INT_MAX);
      ::ERR_clear_error();
      const Attempt attempt =
          attempt_of(::SSL_read(ssl_, into.data() + filled, static_cast<int>(room)));
      if (attempt.outcome != Attempt::Outcome::moved) {
        // What ended it now ends the next attempt too.
        if (filled > 0) break;
        return attempt;
      }
      filled += attempt.bytes;
    }
    return {Attempt::Outcome::moved, filled, 0};
  }

  [[nodiscard]] Attempt attempt_of(int result) const noexcept {
    if (result > 0) return {Attempt::Outcome::moved, static_cast<std::size_t>(result), 0};
    switch (::SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return {Attempt::Outcome::wait, 0, POLLIN};
      case SSL_ERROR_WANT_WRITE:
        return {Attempt::Outcome::wait, 0, POLLOUT};
      case SSL_ERROR_ZERO_RETURN:  // the origin said so, not just anybody who cut the line
        return {Attempt::Outcome::ended, 0, 0};
      default:
        return {};
    }
  }

  SSL* ssl_;
};

tl::unexpected<Error> explain(HttpTrouble trouble) {
  switch (trouble) {
    case HttpTrouble::connect_timed_out:
      return timed_out();
    case HttpTrouble::certificate_name:
      return fail(ErrorCode::source_failed,
                  "the origin shows a certificate for another name than the one in the URL");
    case HttpTrouble::certificate_time:
      return fail(ErrorCode::source_failed,
                  "the origin shows a certificate that is not valid today");
    case HttpTrouble::certificate_issuer:
      return fail(ErrorCode::source_failed,
                  "the origin shows a certificate that no trusted authority vouches for");
    case HttpTrouble::no_tls:
      return fail(ErrorCode::source_failed, "the origin does not speak TLS 1.2 or later");
    default:
      return cut_off();
  }
}

// The addresses of the URL's host, all of them admitted.
Result<std::vector<std::string>> admitted_ips(const client::ServerAddress& address,
                                              const SourcePolicy& policy, Clock::time_point until,
                                              const std::stop_token& stop) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  auto resolved = client::resolve(address, std::max(left, std::chrono::milliseconds(0)), stop);
  if (!resolved) {
    switch (resolved.error().code) {
      case ErrorCode::cancelled:
        return cancelled();
      case ErrorCode::timed_out:
        return fail(ErrorCode::source_timed_out, "the name of the origin was not resolved in time");
      case ErrorCode::unreachable:
        return fail(ErrorCode::source_failed, "the name of the origin does not resolve");
      default:
        return forward_error(resolved);
    }
  }
  for (const std::string& ip : resolved->ips) {
    if (auto admitted = admit_ip(policy, ip); !admitted) return forward_error(admitted);
  }
  return std::move(resolved->ips);
}

Result<FileDescriptor> connect_to_one_of(const std::vector<std::string>& ips, std::uint16_t port,
                                         Clock::time_point until, const std::stop_token& stop) {
  Wait outcome = Wait::failed;
  for (std::size_t i = 0; i < ips.size(); ++i) {
    // An address that does not answer leaves time for the others.
    const auto now = Clock::now();
    const auto share = (until - now) / static_cast<std::int64_t>(ips.size() - i);
    FileDescriptor socket(client::connect_to(ips[i], port, now + share, outcome, stop));
    if (socket.get() >= 0) return socket;
    if (outcome == Wait::cancelled) return cancelled();
  }
  if (outcome == Wait::timed_out) return timed_out();
  return fail(ErrorCode::source_failed, "the origin does not accept connections");
}

}  // namespace

Result<std::unique_ptr<Connection>> connect(const Url& url, const SourcePolicy& policy,
                                            Clock::time_point until, const std::stop_token& stop) {
  GYRE_FAULT_POINT(source_connect);
  const Clock::time_point connected_by = std::min(until, Clock::now() + policy.connect_time);
  const client::ServerAddress address{url.scheme == Scheme::https, url.host, url.port};
  auto ips = admitted_ips(address, policy, connected_by, stop);
  if (!ips) return forward_error(ips);

  client::SslContext context;
  if (address.secure) {
    auto made = client::make_tls_context(address, "");
    if (!made) return forward_error(made);
    context = std::move(*made);
    if (!policy.ca_file.empty() &&
        ::SSL_CTX_load_verify_file(context.get(), policy.ca_file.c_str()) != 1) {
      ::ERR_clear_error();
      return fail(ErrorCode::bad_configuration,
                  "the CA file of sources must hold at least one certificate in PEM form");
    }
  }
  auto socket = connect_to_one_of(*ips, url.port, connected_by, stop);
  if (!socket) return forward_error(socket);
  if (context == nullptr) return std::make_unique<SocketConnection>(std::move(*socket), stop);

  HttpTrouble trouble = HttpTrouble::none;
  SSL* const ssl =
      client::shake_hands(context.get(), socket->get(), address, connected_by, trouble, stop);
  if (ssl == nullptr) {
    if (stop.stop_requested()) return cancelled();
    return explain(trouble);
  }
  return std::make_unique<TlsConnection>(std::move(*socket), ssl, stop);
}

}  // namespace gyre::source
