#include "harness/server/http_listener.hpp"

#include <httplib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <new>

#include "core/elapsed.hpp"
#include "core/fault_point.hpp"
#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/server/request_head.hpp"
#include "harness/server/request_reader.hpp"
#include "harness/server/response_text.hpp"

namespace gyre::server {
namespace {

Deadline in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

bool write_all(Transport& transport, std::string_view text, Deadline deadline) {
  while (!text.empty()) {
    GYRE_FAULT_POINT_OR(http_send, return false);
    const Transfer put = transport.write(text, deadline);
    if (put.outcome != TransferOutcome::moved) return false;
    text.remove_prefix(put.bytes);
  }
  return true;
}

// The one form in which the library gets a request. What it must not act upon (encodings it would
// compress for, ranges, its own idea of keeping alive) is not in it.
std::string canonical_head(const RequestHead& head) {
  std::string text = head.method + " " + head.path + " HTTP/1.1\r\n";
  if (const std::string* type = head.find("content-type")) {
    text += "Content-Type: " + media_type_of(*type) + "\r\n";
  }
  if (const std::string* prefer = head.find("prefer")) text += "Prefer: " + *prefer + "\r\n";
  // The body is handed over beside the stream.
  return text + "Content-Length: 0\r\n\r\n";
}

// The end of a path that stands for any id.
constexpr std::string_view parameter = "/{id}";
constexpr std::size_t max_parameter_bytes = 64;

// The path as the library, whose patterns are regular expressions, wants it.
std::string pattern_of(const std::string& path) {
  if (!path.ends_with(parameter)) return path;
  return path.substr(0, path.size() - parameter.size()) + "/([A-Za-z0-9_-]+)";
}

std::string address_of(int socket) {
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  std::array<char, NI_MAXHOST> text{};
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &length) != 0 ||
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&peer), length, text.data(),
                    static_cast<socklen_t>(text.size()), nullptr, 0, NI_NUMERICHOST) != 0) {
    return "unknown";
  }
  return text.data();
}

// Of the request whose handler runs on this thread. The library has no place for it.
thread_local int handled_socket = -1;

// The longest beginning of a body that is copied behind its head.
constexpr std::size_t most_joined_bytes = 32 * 1024;

// What the library reads a canonical head from and writes its response to.
class OneRequestStream final : public httplib::Stream {
 public:
  OneRequestStream(std::string head, Transport& transport,
                   ConnectionTable::Registration& registration, std::chrono::milliseconds send_time)
      : head_(std::move(head)),
        transport_(transport),
        registration_(registration),
        send_time_(send_time) {}

  bool is_readable() const override { return read_ < head_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* into, size_t size) override {
    const std::size_t taken = head_.copy(into, size, read_);
    read_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* from, size_t size) override {
    const std::string_view text(from, size);
    if (!deadline_) {
      // The library writes the head at once. It goes out with the beginning of the body: one system
      // call, one packet, and the peer is woken once.
      deadline_ = in(send_time_);
      held_ = text;
      return registration_.enter(Phase::sending) ? static_cast<ssize_t>(size) : -1;
    }
    bool sent = false;
    if (!held_.empty() && size <= most_joined_bytes) {
      held_ += text;
      sent = flush();
    } else {
      sent = flush() && write_all(transport_, text, *deadline_);
    }
    return sent ? static_cast<ssize_t>(size) : -1;
  }
  // Sends a head that no body followed.
  bool flush() {
    const std::string text = std::exchange(held_, {});
    return text.empty() || write_all(transport_, text, *deadline_);
  }
  // Nothing that is answered depends on where a request came from.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string head_;
  std::size_t read_ = 0;
  Transport& transport_;
  ConnectionTable::Registration& registration_;
  std::chrono::milliseconds send_time_;
  std::optional<Deadline> deadline_;  // since the first write
  std::string held_;
};

}  // namespace

// The library's server, for its routing and its writing of responses; it owns no socket and no
// thread.
class HttpListener::Router final : public httplib::Server {
 public:
  explicit Router(const std::atomic<bool>& draining) {
    httplib::Headers headers;
    for (const auto& [name, value] : common_headers) headers.emplace(name, value);
    set_default_headers(std::move(headers));
    set_post_routing_handler(
        [&draining](const httplib::Request& request, httplib::Response& response) {
          // It may have begun while the answer was computed.
          if (draining) {
            response.headers.erase("Connection");
            response.set_header("Connection", "close");
            last_response_ = true;
          }
          last_status_ = response.status;
          response.headers.erase("Keep-Alive");     // a number of requests that we do not count
          response.headers.erase("Accept-Ranges");  // added to answers to HEAD
          spdlog::debug("event=request method={} path={} status={}", request.method, request.path,
                        response.status);
        });
    set_exception_handler([](const httplib::Request& request, httplib::Response& response,
                             std::exception_ptr thrown) {
      Error error{ErrorCode::internal, "the server has a defect; its log tells where"};
      try {
        std::rethrow_exception(std::move(thrown));
      } catch (const std::bad_alloc&) {
        error = {ErrorCode::out_of_memory, "the server has not enough memory for this request"};
      } catch (...) {
        // Whatever it was, it is ours, and no business of the peer's.
      }
      spdlog::error("event=exception path={} code={}", request.path, name(error.code));
      response.status = protocol::http_status(error.code);
      response.set_content(protocol::encode_problem(error),
                           std::string(protocol::problem_media_type));
    });
    svr_sock_ = 0;  // any valid one: without, content providers believe that the server is stopping
  }

  // Whether the connection is of further use: the response was written, and did not say otherwise.
  bool respond(OneRequestStream& stream, bool close, std::string body, int& status) {
    bool closed = false;
    last_response_ = close;
    last_status_ = 0;
    const bool written = process_request(stream, close, closed, [&body](httplib::Request& request) {
      request.body = std::move(body);
    });
    status = last_status_;
    return written && stream.flush() && !last_response_;
  }

 private:
  // The library has no place for it that respond() could read; handlers run on its thread.
  inline static thread_local bool last_response_ = false;
  inline static thread_local int last_status_ = 0;
};

HttpListener::HttpListener(HttpLimits limits, const TlsContext* tls)
    : limits_(limits), tls_(tls), router_(std::make_unique<Router>(draining_)) {}

HttpListener::~HttpListener() {
  drain(std::chrono::steady_clock::now());
}

bool HttpListener::Route::matches(std::string_view requested) const noexcept {
  if (!path.ends_with(parameter)) return requested == path;
  const std::string_view prefix =
      std::string_view(path).substr(0, path.size() - parameter.size() + 1);
  if (!requested.starts_with(prefix)) return false;
  const std::string_view id = requested.substr(prefix.size());
  return !id.empty() && id.size() <= max_parameter_bytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_';
         });
}

void HttpListener::get(const std::string& path, Handler handler) {
  routes_.push_back({"GET", path, {}});
  routes_.push_back({"HEAD", path, {}});
  router_->Get(pattern_of(path), std::move(handler));
}

void HttpListener::post(const std::string& path, std::vector<std::string> media_types,
                        Handler handler, std::size_t max_body_bytes) {
  routes_.push_back({"POST", path, std::move(media_types),
                     max_body_bytes == 0 ? limits_.max_body_bytes : max_body_bytes});
  router_->Post(pattern_of(path), std::move(handler));
}

void HttpListener::del(const std::string& path, Handler handler) {
  routes_.push_back({"DELETE", path, {}});
  router_->Delete(pattern_of(path), std::move(handler));
}

void HttpListener::stream(const std::string& path, StreamedResponse response) {
  const auto shared = std::make_shared<const StreamedResponse>(std::move(response));
  routes_.push_back({"GET", path, {}, 0, shared});
  routes_.push_back({"HEAD", path, {}, 0, shared});
}

Result<void> HttpListener::start(ListeningSocket socket) try {
  wake_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake_.get() < 0)
    return fail(ErrorCode::internal, "the operating system gave no event descriptor");
  listening_ = std::move(socket);
  workers_ = std::make_unique<WorkerPool>(limits_.max_connections);
  acceptor_ = std::thread([this] { accept_connections(); });
  return {};
} catch (const std::exception&) {
  return fail(ErrorCode::out_of_memory,
              "there is not enough memory, or no thread, to accept connections");
}

bool HttpListener::drain(Deadline deadline, const std::function<void()>& give_up) {
  draining_ = true;
  if (acceptor_.joinable()) {
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    acceptor_.join();
    listening_.descriptor.close();
  }
  connections_.refuse_idle();
  const bool finished = connections_.wait_until_empty(deadline);
  if (!finished) {
    give_up();
    connections_.wait_until_all_answered(in(limits_.farewell_time));
  }
  connections_.shut_down_all();
  workers_.reset();
  return finished;
}

HttpStatistics HttpListener::statistics() const noexcept {
  return {accepted_, evicted_, refused_};
}

void HttpListener::accept_connections() {
  constexpr int pause_ms = 10;
  for (bool stop = false;;) {
    std::array<pollfd, 2> watched = {pollfd{listening_.descriptor.get(), POLLIN, 0},
                                     pollfd{wake_.get(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    stop = watched[1].revents != 0;
    // At the end once more: who is in the system's queue already has been told that we listen. Who
    // comes meanwhile has not, so that a flood cannot go on for ever.
    for (int i = 0; i < ListeningSocket::backlog; ++i) {
      const int accepted =
          ::accept4(listening_.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted >= 0) {
        take(FileDescriptor(accepted));
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Descriptors have run out; the queue stays readable, so pause instead of turning in
        // circles.
        if (connections_.evict_one()) ++evicted_;
        ::poll(&watched[1], 1, pause_ms);
      }
      // Anything else is the trouble of one connection that is no more.
      if (errno != EINTR && errno != ECONNABORTED) break;
    }
    if (stop) return;
  }
}

bool HttpListener::make_room() {
  // Threads whose connection was just evicted, or just came, are in between for a moment.
  constexpr std::chrono::milliseconds moment{1};
  const Deadline patience = in(std::chrono::seconds(1));
  while (!workers_->has_room()) {
    if (draining_) return true;
    // One after another: while the last one still waits for the thread that was freed for it, those
    // that idle are few, and somebody further on would have to go.
    if (connections_.count(Phase::queued) == 0 && connections_.evict_one()) {
      ++evicted_;
      return true;
    }
    if (connections_.count(Phase::working) >= limits_.max_connections ||
        std::chrono::steady_clock::now() >= patience) {
      return false;
    }
    std::this_thread::sleep_for(moment);
  }
  return true;
}

void HttpListener::take(FileDescriptor connection) try {
  ++accepted_;
  const int on = 1;
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!make_room()) {
    turn_away(connection);
    return;
  }
  const auto shared = std::make_shared<OpenConnection>(connections_, std::move(connection));
  GYRE_FAULT_POINT_OR(http_accept, throw std::bad_alloc());
  workers_->run([this, shared] { serve(shared); });
} catch (const std::bad_alloc&) {
  ++refused_;
}

void HttpListener::turn_away(const FileDescriptor& connection) noexcept try {
  ++refused_;
  if (tls_ != nullptr) return;  // there is nothing to say before a handshake
  const std::string text = format_refusal(
      {ErrorCode::queue_full, "every connection of this server is at work; try again"},
      "Retry-After: 1\r\n", /*with_body=*/true, /*close=*/true);
  SocketTransport transport(connection.get());
  write_all(transport, text, std::chrono::steady_clock::now());
} catch (const std::bad_alloc&) {
}

void HttpListener::serve(const std::shared_ptr<OpenConnection>& connection) noexcept try {
  const int socket = connection->socket.get();
  // Nobody else needs to know who asks.
  Peer peer;
  if (gate_ || witness_) peer.address = address_of(socket);
  if (tls_ == nullptr) {
    connection->transport = std::make_unique<SocketTransport>(socket);
    serve_requests(connection, peer);
    return;
  }
  auto transport = std::make_unique<TlsTransport>(*tls_, socket);
  if (connection->registration.enter(Phase::receiving_head) &&
      transport->handshake(in(limits_.head_time))) {
    peer.certificate_subject = transport->peer_subject();
    connection->transport = std::move(transport);
    serve_requests(connection, peer);
  }
} catch (...) {
  // No memory for this connection: it is closed, the others go on.
  spdlog::warn("event=connection_dropped code=out_of_memory");
}

void HttpListener::serve_requests(const std::shared_ptr<OpenConnection>& connection,
                                  const Peer& peer) {
  const int socket = connection->socket.get();
  ConnectionTable::Registration& registration = connection->registration;
  RequestReader reader(*connection->transport, limits_.max_head_bytes);
  // While it idles nothing is read, so that a drain can see whether a request has come. (TLS holds
  // nothing back either: the reader takes whole records.)
  const auto next_comes = [&] {
    return reader.has_begun() || (registration.enter(Phase::idle) &&
                                  wait_for_socket(socket, POLLIN, in(limits_.idle_time)));
  };
  for (Then then = Then::another_request; then == Then::another_request;) {
    if (!next_comes()) return;
    Exchange exchange{peer, "-", "-"};
    const auto begun = std::chrono::steady_clock::now();
    then = serve_request(exchange, reader, connection);
    // The end of a connection is no request.
    const bool something_came = exchange.status != 0 || exchange.route != "-";
    if (witness_ && something_came) {
      exchange.seconds = seconds_since(begun);
      witness_(exchange);
    }
    if (then == Then::taken_over) return;
  }
  if (registration.enter(Phase::lingering)) {
    connection->transport->end_writing();
    linger(socket);
  }
}

HttpListener::Then HttpListener::refuse(const Refusal& refusal, bool with_body, bool close,
                                        Exchange& exchange, OpenConnection& connection) const {
  if (!connection.registration.enter(Phase::sending)) return Then::end;
  exchange.status = protocol::http_status(refusal.error.code);
  const bool written = write_refusal(*connection.transport, refusal, with_body, close);
  return written && !close ? Then::another_request : Then::end;
}

HttpListener::Then HttpListener::serve_request(Exchange& exchange, RequestReader& reader,
                                               const std::shared_ptr<OpenConnection>& connection) {
  ConnectionTable::Registration& registration = connection->registration;
  if (!registration.enter(Phase::receiving_head)) return Then::end;
  const auto give_up = [&](ReadFailure& failure, bool with_body) {
    if (!failure.error) return Then::end;
    return refuse({std::move(*failure.error)}, with_body, /*close=*/true, exchange, *connection);
  };
  const Deadline head_deadline = in(limits_.head_time);
  if (!reader.wait_for_request(head_deadline)) return Then::end;
  auto head = reader.read_head(head_deadline);
  if (!head) return give_up(head.error(), /*with_body=*/true);
  const bool wants_body = head->method != "HEAD";
  const Route* const route = find_route(*head);
  if (route != nullptr) {
    exchange.route = route->path;
    if (route->method == head->method) exchange.method = route->method;
  }
  std::optional<Refusal> refusal;
  if (gate_) refusal = gate_(exchange.peer, *head);
  if (!refusal) refusal = find_refusal(*head, route);
  if (refusal) {
    return refuse(*refusal, wants_body, head->close || draining_ || head->has_body(), exchange,
                  *connection);
  }
  if (route->stream != nullptr) return begin_stream(*route->stream, *head, exchange, connection);

  const Deadline body_deadline = in(limits_.body_time);
  if (head->expects_continue && head->has_body() &&
      !write_all(*connection->transport, "HTTP/1.1 100 Continue\r\n\r\n", body_deadline)) {
    return Then::end;
  }
  if (head->has_body() && !registration.enter(Phase::receiving_body)) return Then::end;
  auto body = reader.read_body(*head, route->max_body_bytes, body_deadline);
  if (!body) return give_up(body.error(), wants_body);

  if (!registration.enter(Phase::working)) return Then::end;
  handled_socket = connection->socket.get();
  OneRequestStream stream(canonical_head(*head), *connection->transport, registration,
                          limits_.send_time);
  return router_->respond(stream, head->close, std::move(*body), exchange.status)
             ? Then::another_request
             : Then::end;
}

std::function<bool()> HttpListener::watch_peer() {
  return [socket = handled_socket] {
    pollfd waiting{.fd = socket, .events = POLLRDHUP, .revents = 0};
    return ::poll(&waiting, 1, 0) > 0 && (waiting.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  };
}

HttpListener::Then HttpListener::begin_stream(const StreamedResponse& response,
                                              const RequestHead& head, Exchange& exchange,
                                              const std::shared_ptr<OpenConnection>& connection) {
  const bool for_head = head.method == "HEAD";
  const bool close = head.close || draining_;
  const auto refuse_stream = [&](const Error& error) {
    const bool later = protocol::http_status(error.code) == 503;
    return refuse({error, later ? "Retry-After: 1\r\n" : ""}, !for_head, close, exchange,
                  *connection);
  };
  if (for_head) {
    if (auto room = response.check(); !room) return refuse_stream(room.error());
    if (!connection->registration.enter(Phase::sending)) return Then::end;
    exchange.status = 200;
    const bool written =
        write_all(*connection->transport, format_unending_head(response.media_type, close),
                  in(limits_.send_time));
    return written && !close ? Then::another_request : Then::end;
  }
  if (!connection->registration.enter(Phase::streaming)) return Then::end;
  // Only its end says where the response ends.
  auto taken =
      response.take_over(connection, format_unending_head(response.media_type, /*close=*/true));
  if (!taken) return refuse_stream(taken.error());
  exchange.status = 200;
  return Then::taken_over;
}

const HttpListener::Route* HttpListener::find_route(const RequestHead& head) const noexcept {
  const Route* found = nullptr;
  for (const Route& candidate : routes_) {
    if (!candidate.matches(head.path)) continue;
    if (candidate.method == head.method) return &candidate;
    found = &candidate;
  }
  return found;
}

std::optional<Refusal> HttpListener::find_refusal(const RequestHead& head,
                                                  const Route* route) const {
  if (route == nullptr) {
    return Refusal{{ErrorCode::not_found, "there is no resource of that path on this listener"}};
  }
  if (route->method != head.method) {
    std::string allowed;
    for (const Route& candidate : routes_) {
      if (!candidate.matches(head.path)) continue;
      allowed += (allowed.empty() ? "" : ", ") + candidate.method;
    }
    return Refusal{{ErrorCode::method_not_allowed, "the resource allows " + allowed + " only"},
                   "Allow: " + allowed + "\r\n"};
  }
  if (route->media_types.empty()) {
    if (!head.has_body()) return std::nullopt;
    return Refusal{{ErrorCode::malformed_request, "a request for this resource must have no body"}};
  }
  const std::string* const type = head.find("content-type");
  const std::string* const encoding = head.find("content-encoding");
  const auto& types = route->media_types;
  if (type == nullptr ||
      std::find(types.begin(), types.end(), media_type_of(*type)) == types.end()) {
    std::string list;
    for (const std::string& known : types) list += (list.empty() ? "" : " or ") + known;
    return Refusal{{ErrorCode::unsupported_media_type, "the body's Content-Type must be " + list}};
  }
  if (encoding != nullptr && media_type_of(*encoding) != "identity") {
    return Refusal{{ErrorCode::unsupported_media_type,
                    "the body must not be compressed or otherwise encoded"}};
  }
  if (head.content_length.value_or(0) > route->max_body_bytes) {
    return Refusal{
        {ErrorCode::request_too_large,
         "a body here may have at most " + std::to_string(route->max_body_bytes) + " bytes"}};
  }
  return std::nullopt;
}

bool HttpListener::write_refusal(Transport& transport, const Refusal& refusal, bool with_body,
                                 bool close) const {
  const int status = protocol::http_status(refusal.error.code);
  spdlog::debug("event=refused status={} code={}", status, name(refusal.error.code));
  return write_all(transport, format_refusal(refusal.error, refusal.headers, with_body, close),
                   in(limits_.send_time));
}

void HttpListener::linger(int socket) const noexcept {
  // Closing with unread bytes would reset the connection, and the peer might never see why.
  SocketTransport transport(socket);
  const Deadline deadline = in(limits_.linger_time);
  std::array<char, 16 * 1024> discarded;
  for (std::size_t total = 0; total < limits_.linger_bytes;) {
    const Transfer got = transport.read(discarded, deadline);
    if (got.outcome != TransferOutcome::moved || std::chrono::steady_clock::now() >= deadline)
      return;
    total += got.bytes;
  }
}

}  // namespace gyre::server
