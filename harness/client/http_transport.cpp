#include "harness/client/http_transport.hpp"

#include <httplib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "core/ascii.hpp"
#include "harness/client/client_socket.hpp"
#include "harness/client/http_trouble.hpp"
#include "harness/client/response_head_guard.hpp"
#include "harness/client/tls_session.hpp"

namespace gyre::client {
namespace {

using Clock = std::chrono::steady_clock;

// Chunk sizes and trailers, for servers that send chunks.
constexpr std::size_t max_framing_bytes = 64 * 1024;

std::string media_type(std::string_view value) {
  value = value.substr(0, value.find(';'));
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  return ascii_lower_case(value.substr(0, 128));
}

bool is_printable(std::string_view text, char first = ' ') noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) { return c >= first && c <= '~'; });
}

// Letters, digits and '-': enough for every method and header that Gyre sends.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_sendable(const HttpExchange& exchange) noexcept {
  return is_token(exchange.method) && exchange.path.starts_with('/') &&
         is_printable(exchange.path, '!') && is_printable(exchange.content_type) &&
         std::all_of(exchange.headers.begin(), exchange.headers.end(), [](const auto& header) {
           return is_token(header.first) && is_printable(header.second);
         });
}

// The library wants strings; they may hold keys or a token, so they are wiped on every way out.
class WipedRequest {
 public:
  WipedRequest() = default;
  WipedRequest(const WipedRequest&) = delete;
  WipedRequest& operator=(const WipedRequest&) = delete;
  ~WipedRequest() {
    ::OPENSSL_cleanse(request.body.data(), request.body.size());
    for (auto& [name, value] : request.headers) ::OPENSSL_cleanse(value.data(), value.size());
  }

  httplib::Request request;
};

}  // namespace

// The library's HTTP over our connection. Its hooks for making, using and closing a socket are
// overridden, so that one deadline covers everything and every byte that comes in is counted.
class HttpTransport::Connection final : public httplib::ClientImpl {
 public:
  Connection(ResolvedServer server, const HttpTransportOptions& options, SslContext context)
      : ClientImpl(server.address.host, server.address.port),
        server_(std::move(server)),
        server_text_(server_.address.text()),
        options_(options),
        context_(std::move(context)) {
    set_keep_alive(true);
    set_follow_location(false);
    set_decompress(false);
    set_default_headers({{"User-Agent", "gyre"}, {"Accept-Encoding", "identity"}});
  }
  ~Connection() override {
    // The base closes the socket but cannot call our override any more.
    end_tls(socket_.ssl, /*gracefully=*/true);
    socket_.ssl = nullptr;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] const std::string& server_text() const noexcept { return server_text_; }

  [[nodiscard]] Result<TransportResponse> exchange(
      httplib::Request& request, std::size_t max_body_bytes,
      std::optional<std::chrono::milliseconds> own_patience) {
    idle_timeout_ = own_patience.value_or(options_.idle_timeout);
    total_timeout_ = own_patience.value_or(options_.total_timeout);
    deadline_ = Clock::now() + total_timeout_;
    trouble_ = HttpTrouble::none;
    bytes_left_ = max_response_head_bytes + 2 * std::max(max_body_bytes, max_refusal_bytes) +
                  max_framing_bytes;
    leftover_ = false;
    drop_stale_connection();

    TransportResponse out;
    std::size_t max_bytes = max_refusal_bytes;
    request.response_handler = [&](const httplib::Response& response) {
      if (response.status >= 200 && response.status < 300) max_bytes = max_body_bytes;
      if (response.has_header("Content-Encoding")) return stop_with(HttpTrouble::encoded);
      if (response.has_header("Content-Length")) {
        const auto length = response.get_header_value<std::uint64_t>("Content-Length");
        if (length > max_bytes) return stop_with(HttpTrouble::too_long);
        return grow([&] { out.body.reserve(length); });
      }
      return true;
    };
    request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                   std::uint64_t) {
      if (size > max_bytes - out.body.size()) return stop_with(HttpTrouble::too_long);
      const auto* const bytes = reinterpret_cast<const std::byte*>(data);
      return grow([&] { out.body.insert(out.body.end(), bytes, bytes + size); });
    };

    httplib::Response response;
    httplib::Error error = httplib::Error::Success;
    const bool complete = send(request, response, error);
    // Bytes nobody asked for would be taken for the next answer.
    if (!complete || leftover_) stop();
    if (!complete)
      return tl::unexpected<Error>(explain(trouble_, server_text_, patience_that_ran_out()));
    out.status = response.status;
    out.content_type = media_type(response.get_header_value("Content-Type"));
    std::string location = response.get_header_value("Location");
    if (location.size() <= TransportResponse::max_location_bytes && is_printable(location)) {
      out.location = std::move(location);
    }
    return out;
  }

 private:
  // What the library reads and writes through during one exchange.
  class BoundedStream final : public httplib::Stream {
   public:
    BoundedStream(Connection& connection, const Socket& socket) noexcept
        : connection_(connection), fd_(socket.sock), ssl_(socket.ssl) {}

    bool is_readable() const override { return true; }
    bool is_writable() const override { return true; }
    void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
    void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
    socket_t socket() const override { return fd_; }

    ssize_t read(char* out, std::size_t size) override {
      if (begin_ == end_) {
        const ssize_t received = connection_.receive(fd_, ssl_, buffer_);
        if (received <= 0) return received;
        begin_ = 0;
        end_ = static_cast<std::size_t>(received);
      }
      const std::size_t taken = std::min(size, end_ - begin_);
      if (!connection_.account(std::string_view(buffer_.data() + begin_, taken))) return -1;
      std::memcpy(out, buffer_.data() + begin_, taken);
      begin_ += taken;
      return static_cast<ssize_t>(taken);
    }

    ssize_t write(const char* data, std::size_t size) override {
      return connection_.transmit(fd_, ssl_, data, size);
    }

    [[nodiscard]] bool has_leftover() const noexcept { return begin_ != end_; }

   private:
    Connection& connection_;
    int fd_;
    SSL* ssl_;
    std::array<char, 16 * 1024> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
  };

  bool stop_with(HttpTrouble trouble) noexcept {
    if (trouble_ == HttpTrouble::none) trouble_ = trouble;
    return false;
  }

  // The library's bookkeeping does not survive an exception in the middle of an exchange.
  template <typename Allocate>
  bool grow(Allocate allocate) noexcept {
    try {
      allocate();
      return true;
    } catch (const std::exception&) {
      return stop_with(HttpTrouble::out_of_memory);
    }
  }

  [[nodiscard]] Clock::time_point patience(std::chrono::milliseconds longest) const noexcept {
    return std::min(deadline_, Clock::now() + longest);
  }

  // An idle connection has nothing to say, except TLS session tickets; a server that closed it in
  // the meantime is better noticed before a key is spent on it.
  void drop_stale_connection() {
    if (!socket_.is_open() || wait_for(socket_.sock, POLLIN, Clock::now()) == Wait::timed_out)
      return;
    if (socket_.ssl != nullptr) {
      char byte = 0;
      ::ERR_clear_error();
      const int peeked = ::SSL_peek(socket_.ssl, &byte, 1);
      if (peeked <= 0 && ::SSL_get_error(socket_.ssl, peeked) == SSL_ERROR_WANT_READ) return;
    }
    stop();
  }

  bool create_and_connect_socket(Socket& socket, httplib::Error& error) override {
    error = httplib::Error::Connection;
    for (const std::string& ip : server_.ips) {
      trouble_ = HttpTrouble::none;
      const Clock::time_point until = patience(options_.connect_timeout);
      Wait outcome = Wait::ready;
      const int fd = connect_to(ip, server_.address.port, until, outcome);
      if (fd < 0) {
        stop_with(outcome == Wait::timed_out ? HttpTrouble::connect_timed_out
                                             : HttpTrouble::unreachable);
        continue;
      }
      if (context_ == nullptr) {
        socket.sock = fd;
        return true;
      }
      if (SSL* const ssl = shake_hands(context_.get(), fd, server_.address, until, trouble_)) {
        socket.sock = fd;
        socket.ssl = ssl;
        return true;
      }
      ::close(fd);
      // Whoever answered at this address was not the server that was meant: no second try
      // elsewhere.
      return false;
    }
    return false;
  }

  void shutdown_ssl(Socket& socket, bool gracefully) override {
    end_tls(socket.ssl, gracefully);
    socket.ssl = nullptr;
  }

  bool process_socket(const Socket& socket,
                      std::function<bool(httplib::Stream&)> callback) override {
    head_ = ResponseHeadGuard();
    BoundedStream stream(*this, socket);
    const bool done = callback(stream);
    leftover_ = stream.has_leftover();
    return done;
  }

  // Runs one step of reading or writing until it moved bytes, ended or ran out of time. `step`
  // returns what recv(2) would, with the events to wait for in `events` where it must wait.
  template <typename Step>
  ssize_t move_bytes(int fd, Step step) {
    const Clock::time_point until = patience(idle_timeout_);
    while (true) {
      if (Clock::now() >= until) break;
      short events = 0;
      const ssize_t moved = step(events);
      if (moved > 0) return moved;
      if (moved == 0 || events == 0) {
        stop_with(HttpTrouble::cut_off);
        return moved;
      }
      const Wait wait = wait_for(fd, events, until);
      if (wait == Wait::timed_out) break;
      if (wait == Wait::failed) {
        stop_with(HttpTrouble::cut_off);
        return -1;
      }
    }
    stop_with(HttpTrouble::timed_out);
    return -1;
  }

  static ssize_t tls_step(SSL* ssl, int result, short& events) noexcept {
    if (result > 0) return result;
    switch (::SSL_get_error(ssl, result)) {
      case SSL_ERROR_WANT_READ:
        events = POLLIN;
        return -1;
      case SSL_ERROR_WANT_WRITE:
        events = POLLOUT;
        return -1;
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      default:
        return -1;
    }
  }

  ssize_t receive(int fd, SSL* ssl, std::array<char, 16 * 1024>& buffer) {
    return move_bytes(fd, [&](short& events) -> ssize_t {
      if (ssl != nullptr) {
        ::ERR_clear_error();
        return tls_step(ssl, ::SSL_read(ssl, buffer.data(), static_cast<int>(buffer.size())),
                        events);
      }
      const ssize_t received = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (received < 0 && (errno == EAGAIN || errno == EINTR)) events = POLLIN;
      return received;
    });
  }

  ssize_t transmit(int fd, SSL* ssl, const char* data, std::size_t size) {
    if (size == 0) return 0;
    // A TLS write that must be repeated has to come with the same bytes: all of them in one call
    // each time.
    const int piece = static_cast<int>(std::min<std::size_t>(size, INT_MAX));
    return move_bytes(fd, [&](short& events) -> ssize_t {
      if (ssl != nullptr) {
        ::ERR_clear_error();
        return tls_step(ssl, ::SSL_write(ssl, data, piece), events);
      }
      const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) events = POLLOUT;
      return sent;
    });
  }

  // Counts what the library takes, and holds the head of the response to its bounds before the
  // library sees a byte too many.
  bool account(std::string_view bytes) noexcept {
    if (bytes.size() > bytes_left_) return stop_with(HttpTrouble::too_long);
    bytes_left_ -= bytes.size();
    return head_.accepts(bytes) || stop_with(HttpTrouble::not_http);
  }

  [[nodiscard]] std::chrono::milliseconds patience_that_ran_out() const noexcept {
    if (trouble_ == HttpTrouble::connect_timed_out) {
      return std::min(options_.connect_timeout, total_timeout_);
    }
    return Clock::now() >= deadline_ ? total_timeout_ : idle_timeout_;
  }

  const ResolvedServer server_;
  const std::string server_text_;
  const HttpTransportOptions options_;
  const SslContext context_;  // nothing: in the clear

  // Of the exchange under way.
  std::chrono::milliseconds idle_timeout_{};
  std::chrono::milliseconds total_timeout_{};
  Clock::time_point deadline_;
  HttpTrouble trouble_ = HttpTrouble::none;
  std::size_t bytes_left_ = 0;
  bool leftover_ = false;
  ResponseHeadGuard head_;
};

Result<std::unique_ptr<HttpTransport>> HttpTransport::create(ResolvedServer server,
                                                             const HttpTransportOptions& options) {
  using std::chrono::milliseconds;
  if (auto checked = check_transport(server); !checked) return forward_error(checked);
  if (server.ips.empty()) {
    return fail(ErrorCode::unreachable, "server " + server.address.text() + " has no IP address");
  }
  constexpr milliseconds longest = std::chrono::hours(24);
  for (const milliseconds timeout :
       {options.connect_timeout, options.idle_timeout, options.total_timeout}) {
    if (timeout <= milliseconds(0) || timeout > longest) {
      return fail(ErrorCode::bad_configuration, "a time-out must be above 0 and at most a day");
    }
  }
  try {
    SslContext context;
    if (server.address.secure) {
      auto made = make_tls_context(server.address, options.ca_file);
      if (!made) return forward_error(made);
      context = std::move(*made);
      if (!options.client_certificate_file.empty() || !options.client_key_file.empty()) {
        auto used = use_client_certificate(context.get(), options.client_certificate_file,
                                           options.client_key_file);
        if (!used) return forward_error(used);
      }
    }
    return std::unique_ptr<HttpTransport>(new HttpTransport(
        std::make_unique<Connection>(std::move(server), options, std::move(context))));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "out of memory while preparing a connection");
  } catch (const std::exception&) {
    return fail(ErrorCode::internal, "the HTTP library could not prepare a connection");
  }
}

HttpTransport::HttpTransport(std::unique_ptr<Connection> connection) noexcept
    : connection_(std::move(connection)) {}

HttpTransport::~HttpTransport() = default;

const std::string& HttpTransport::server() const noexcept {
  return connection_->server_text();
}

Result<TransportResponse> HttpTransport::exchange(const HttpExchange& exchange) {
  if (!is_sendable(exchange)) {
    return fail(ErrorCode::bad_configuration,
                "a request's method, path and headers must be printable ASCII");
  }
  WipedRequest wiped;
  httplib::Request& request = wiped.request;
  try {
    request.method = exchange.method;
    request.path = exchange.path;
    for (const auto& [name, value] : exchange.headers) request.set_header(name, value);
    if (!exchange.content_type.empty()) {
      request.set_header("Content-Type", std::string(exchange.content_type));
      request.body.assign(reinterpret_cast<const char*>(exchange.body.data()),
                          exchange.body.size());
    }
    return connection_->exchange(request, exchange.max_body_bytes, exchange.patience);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "out of memory while talking to a server");
  } catch (const std::exception&) {
    return fail(ErrorCode::bad_answer,
                "server " + server() + " sent an answer that the HTTP library cannot read");
  }
}

Result<TransportResponse> HttpTransport::get(std::string_view path, std::size_t max_body_bytes) {
  const std::pair<std::string, std::string> accept("Accept", "application/json");
  return exchange({.method = "GET",
                   .path = path,
                   .headers = {&accept, 1},
                   .content_type = {},
                   .body = {},
                   .max_body_bytes = max_body_bytes,
                   .patience = {}});
}

Result<TransportResponse> HttpTransport::post(std::string_view path, std::string_view content_type,
                                              std::span<const std::byte> body,
                                              std::size_t max_body_bytes) {
  const std::pair<std::string, std::string> accept("Accept", content_type);
  return exchange({.method = "POST",
                   .path = path,
                   .headers = {&accept, 1},
                   .content_type = content_type,
                   .body = body,
                   .max_body_bytes = max_body_bytes,
                   .patience = {}});
}

}  // namespace gyre::client
