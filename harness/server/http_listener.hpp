// An HTTP/1.1 listener that a hostile peer cannot hurt.
//
// cpp-httplib routes requests and writes responses. What its server has no bound for is done here
// before it sees anything: accepting, threads, TLS, time, the size and form of heads and bodies. A
// request is handed to the library only when it is whole, in memory and in canonical form.
// docs/http.md, "Bounds".
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/server/connection_table.hpp"
#include "harness/server/listening_socket.hpp"
#include "harness/server/open_connection.hpp"
#include "harness/server/tls_transport.hpp"
#include "harness/server/worker_pool.hpp"

namespace httplib {
struct Request;
struct Response;
}  // namespace httplib

namespace gyre::server {

struct RequestHead;
class RequestReader;

struct HttpLimits {
  std::size_t max_connections = 800;  // served at once, a thread each
  std::size_t max_head_bytes = 16 * 1024;
  std::size_t max_body_bytes = 1024 * 1024;
  std::chrono::milliseconds head_time{10'000};   // for a whole head, TLS handshake included
  std::chrono::milliseconds body_time{30'000};   // for a whole body
  std::chrono::milliseconds send_time{30'000};   // for a whole response
  std::chrono::milliseconds idle_time{30'000};   // between requests
  std::chrono::milliseconds linger_time{2'000};  // for a refused peer to read why
  std::size_t linger_bytes = 32 * 1024 * 1024;   // thrown away meanwhile
  std::chrono::milliseconds farewell_time{500};  // at a drain's deadline, to say that it is over
};

// What has happened so far.
struct HttpStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t evicted = 0;  // shut down to make room
  std::uint64_t refused = 0;  // turned away because every connection was at work
};

// Who is at the other end of a connection.
struct Peer {
  std::string address;              // of inet_ntop, without the port
  std::string certificate_subject;  // RFC 2253; empty if there was none
};

// A refusal that a listener's owner decides on.
struct Refusal {
  Error error;
  std::string headers{};  // more lines for the response, each with its CRLF
};

// One request and how it was answered.
struct Exchange {
  const Peer& peer;
  std::string_view method;  // one that the resource knows; "-": none
  std::string_view route;   // the pattern of the resource; "-": no resource
  int status = 0;           // 0: nothing was answered
  double seconds = 0;
};

class HttpListener {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;
  // Whether a request may go on, asked as soon as its head was read.
  using Gate = std::function<std::optional<Refusal>(const Peer&, const RequestHead&)>;
  // Told of every exchange, on the thread that handled it.
  using Witness = std::function<void(const Exchange&)>;

  // `tls`, if any, must outlive the listener.
  HttpListener(HttpLimits limits, const TlsContext* tls);
  ~HttpListener();  // drains with no patience
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // Before start(). The path is matched exactly; a query part of the target is passed over.
  // Handlers run on many threads at once; an exception of theirs becomes 500 `internal`, or 507 for
  // std::bad_alloc.
  // A path may end in "/{id}": any one segment of 1 to 64 letters, digits, '-' and '_', which is
  // the request's matches[1].
  void get(const std::string& path, Handler handler);  // and HEAD
  // `media_types`: of bodies that are understood. `max_body_bytes`: 0: as the limits say.
  void post(const std::string& path, std::vector<std::string> media_types, Handler handler,
            std::size_t max_body_bytes = 0);
  void del(const std::string& path, Handler handler);
  // GET and HEAD. Whoever takes connections over must have let go of all of them, and take no more,
  // before drain().
  void stream(const std::string& path, StreamedResponse response);
  void set_gate(Gate gate) { gate_ = std::move(gate); }
  void set_witness(Witness witness) { witness_ = std::move(witness); }

  // Accepts connections from now on. Once.
  [[nodiscard]] Result<void> start(ListeningSocket socket);

  // Accepts no more, closes what is idle and lets requests that have begun finish. At the deadline
  // calls `give_up`, after which handlers should return soon, lets them say so, and closes what is
  // left. Returns when no connection is open; whether all finished by themselves.
  bool drain(
      Deadline deadline, const std::function<void()>& give_up = [] {});

  // For a handler, on the thread that called it: says whether the peer of its request has closed
  // its side of the connection or reset it, so that nobody will read the answer. May be asked on
  // any thread until the handler returns; takes one system call.
  [[nodiscard]] static std::function<bool()> watch_peer();

  [[nodiscard]] HttpStatistics statistics() const noexcept;
  [[nodiscard]] const ConnectionTable& connections() const noexcept { return connections_; }

 private:
  class Router;
  struct Route {
    std::string method;
    std::string path;  // as given
    std::vector<std::string> media_types;
    std::size_t max_body_bytes = 0;
    std::shared_ptr<const StreamedResponse> stream{};  // instead of a handler

    [[nodiscard]] bool matches(std::string_view requested) const noexcept;
  };

  void accept_connections();
  void take(FileDescriptor connection);
  // Whether a thread is free, or is about to be because its connection was evicted or because
  // nobody idles any more.
  [[nodiscard]] bool make_room();
  void turn_away(const FileDescriptor& connection) noexcept;
  void serve(const std::shared_ptr<OpenConnection>& connection) noexcept;
  void serve_requests(const std::shared_ptr<OpenConnection>& connection, const Peer& peer);
  // What becomes of a connection after a request.
  enum class Then { another_request, end, taken_over };
  // One request. Fills in what the witness is told.
  [[nodiscard]] Then serve_request(Exchange& exchange, RequestReader& reader,
                                   const std::shared_ptr<OpenConnection>& connection);
  // A request for a streamed response.
  [[nodiscard]] Then begin_stream(const StreamedResponse& response, const RequestHead& head,
                                  Exchange& exchange,
                                  const std::shared_ptr<OpenConnection>& connection);
  // Refuses a request whose body will not be read.
  [[nodiscard]] Then refuse(const Refusal& refusal, bool with_body, bool close, Exchange& exchange,
                            OpenConnection& connection) const;
  // The resource that is asked for, whether or not it can be had like that.
  [[nodiscard]] const Route* find_route(const RequestHead& head) const noexcept;
  // Why a request is refused before its body is read, if it is.
  [[nodiscard]] std::optional<Refusal> find_refusal(const RequestHead& head,
                                                    const Route* route) const;
  // Writes a problem document; false when the connection is of no more use.
  bool write_refusal(Transport& transport, const Refusal& refusal, bool with_body,
                     bool close) const;
  void linger(int socket) const noexcept;

  const HttpLimits limits_;
  const TlsContext* const tls_;
  std::unique_ptr<Router> router_;
  std::vector<Route> routes_;
  Gate gate_;
  Witness witness_;

  FileDescriptor wake_;  // an eventfd that ends accept_connections()
  ListeningSocket listening_;
  std::thread acceptor_;
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> refused_{0};

  ConnectionTable connections_;
  std::unique_ptr<WorkerPool> workers_;  // last: its threads use everything above
};

}  // namespace gyre::server
