#include "harness/server/public_listener.hpp"

#include <httplib.h>

#include <chrono>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/elapsed.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/query_binary.hpp"
#include "harness/server/epoch_entry.hpp"
#include "harness/server/image_health.hpp"
#include "harness/server/problem_response.hpp"

namespace gyre::server {
namespace {

using protocol::Encoding;

HttpLimits with_body_bound(HttpLimits limits, std::uint32_t max_keys) {
  limits.max_body_bytes = protocol::max_request_bytes(max_keys);
  return limits;
}

// Answers that are longer are sent from where they are, not copied behind their front.
constexpr std::size_t most_copied_bytes = 16 * 1024;

// A body and the memory reserved for it, both kept until it has been sent.
struct Payload {
  std::string front;
  std::vector<std::byte> answers;  // after it, if they are not in it
  MemoryBudget::Reservation memory;

  [[nodiscard]] std::size_t size() const noexcept { return front.size() + answers.size(); }
  // A part that begins at the offset.
  [[nodiscard]] std::string_view from(std::size_t offset) const noexcept {
    if (offset < front.size()) return std::string_view(front).substr(offset);
    const auto rest = std::span(answers).subspan(offset - front.size());
    return {reinterpret_cast<const char*>(rest.data()), rest.size()};
  }
};

Payload payload_of(QueryService::Answered answered, Encoding encoding) {
  protocol::QueryResponse& response = answered.response;
  if (encoding == Encoding::json || response.answers.size() <= most_copied_bytes) {
    return {protocol::encode(response, encoding), {}, std::move(answered.memory)};
  }
  std::string front = protocol::encode_binary_front(response);
  return {std::move(front), std::move(response.answers), std::move(answered.memory)};
}

}  // namespace

PublicListener::PublicListener(const EpochTable& epochs, QueryService& queries, Metrics& metrics,
                               HttpLimits limits, StreamLimits stream_limits, const TlsContext* tls,
                               std::vector<std::string> residencies)
    : epochs_(epochs),
      queries_(queries),
      metrics_(metrics),
      residencies_(std::move(residencies)),
      stream_(epochs, stream_limits),
      http_(with_body_bound(limits, queries.limits().max_keys), tls) {
  const std::vector<std::string> types = {std::string(media_type(Encoding::json)),
                                          std::string(media_type(Encoding::binary))};
  http_.get("/health", [this](const auto&, auto& response) { health(response); });
  http_.get("/epoch", [this](const auto&, auto& response) { epoch(response); });
  http_.stream("/epoch/stream", {"text/event-stream", [this] { return stream_.check(); },
                                 [this](const auto& connection, const std::string& head) {
                                   return stream_.take_over(connection, head);
                                 }});
  http_.post("/query", types, [this](const auto& request, auto& response) {
    query(QueryKind::row, request, response);
  });
  http_.post("/query/page", types, [this](const auto& request, auto& response) {
    query(QueryKind::page, request, response);
  });
}

PublicListener::~PublicListener() {
  drain(std::chrono::steady_clock::now());
}

bool PublicListener::drain(Deadline deadline) {
  announce_drain();
  stream_.stop();
  return http_.drain(deadline, [this] { queries_.stop(); });
}

void PublicListener::health(httplib::Response& response) const {
  nlohmann::json document = {{"party", queries_.party()}};
  const auto lease = epochs_.lease(CurrentEpoch{});
  if (lease) document["epoch"] = lease->epoch().id.text();
  bool degraded = false;
  if (lease) {
    const ImageHealth health = image_health(lease->epoch().images, residencies_);
    degraded = health.degraded();
    if (degraded) document["images"] = {{"failed", health.failed}, {"missing", health.missing}};
  }
  document["status"] = draining_ ? "draining" : !lease ? "no_epoch" : degraded ? "degraded" : "ok";
  response.status = draining_ || !lease ? 503 : 200;
  response.set_content(document.dump(), "application/json");
}

void PublicListener::epoch(httplib::Response& response) const {
  const auto document = describe(epochs_, queries_.party());
  if (!document) return set_problem(response, document.error());
  response.set_content(protocol::encode_epoch_document(*document), "application/json");
}

void PublicListener::query(QueryKind kind, const httplib::Request& request,
                           httplib::Response& response) {
  // The listener lets no other type through, and normalizes its name.
  const Encoding encoding = request.get_header_value("Content-Type") == media_type(Encoding::json)
                                ? Encoding::json
                                : Encoding::binary;
  const auto begun = std::chrono::steady_clock::now();
  std::shared_ptr<const Payload> payload;
  try {
    auto answered = answer(kind, request.body, encoding);
    if (!answered) {
      metrics_.count_refused_query(kind, answered.error().code);
      return set_problem(response, answered.error());
    }
    const auto count = answered->response.count();
    payload = std::make_shared<const Payload>(payload_of(std::move(*answered), encoding));
    metrics_.count_answered_query(kind, count, seconds_since(begun));
  } catch (const std::bad_alloc&) {
    metrics_.count_refused_query(kind, ErrorCode::out_of_memory);
    throw;  // the listener's to answer
  }
  response.set_content_provider(
      payload->size(), std::string(media_type(encoding)),
      [payload](std::size_t offset, std::size_t, httplib::DataSink& sink) {
        const std::string_view part = payload->from(offset);
        return sink.write(part.data(), part.size());
      });
}

Result<QueryService::Answered> PublicListener::answer(QueryKind kind, const std::string& body,
                                                      Encoding encoding) {
  auto request = protocol::decode_query_request(body, encoding, queries_.limits().max_keys);
  if (!request) return forward_error(request);
  return queries_.answer(kind, std::move(*request), HttpListener::watch_peer());
}

}  // namespace gyre::server
