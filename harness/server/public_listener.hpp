// The public listener: GET /health, /epoch and /epoch/stream, POST /query and /query/page.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/epoch_table.hpp"
#include "harness/server/epoch_stream.hpp"
#include "harness/server/http_listener.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/query_service.hpp"

namespace gyre::server {

// Thread-safe, but start() and drain() are for one thread.
class PublicListener {
 public:
  // `epochs`, `queries`, `metrics` and `tls` (if any) must outlive the listener. The bound on
  // bodies follows from the number of keys that `queries` accepts. /health says `degraded` while
  // the current epoch has no working image in one of the `residencies`.
  PublicListener(const EpochTable& epochs, QueryService& queries, Metrics& metrics,
                 HttpLimits limits, StreamLimits stream_limits, const TlsContext* tls,
                 std::vector<std::string> residencies = {});
  ~PublicListener();  // drains with no patience
  PublicListener(const PublicListener&) = delete;
  PublicListener& operator=(const PublicListener&) = delete;

  [[nodiscard]] Result<void> start(ListeningSocket socket) {
    return http_.start(std::move(socket));
  }

  // From now on /health says that this server is draining, so that nobody sends it more; everything
  // is still answered.
  void announce_drain() noexcept { draining_ = true; }

  // See HttpListener::drain(). Streams end at once. What is not computed at the deadline is
  // answered with `draining`, and `queries` answers nothing more.
  bool drain(Deadline deadline);

  [[nodiscard]] const HttpListener& http() const noexcept { return http_; }
  [[nodiscard]] const EpochStream& stream() const noexcept { return stream_; }

 private:
  void health(httplib::Response& response) const;
  void epoch(httplib::Response& response) const;
  void query(QueryKind kind, const httplib::Request& request, httplib::Response& response);
  [[nodiscard]] Result<QueryService::Answered> answer(QueryKind kind, const std::string& body,
                                                      protocol::Encoding encoding);

  const EpochTable& epochs_;
  QueryService& queries_;
  Metrics& metrics_;
  const std::vector<std::string> residencies_;
  std::atomic<bool> draining_{false};
  EpochStream stream_;
  HttpListener http_;
};

}  // namespace gyre::server
