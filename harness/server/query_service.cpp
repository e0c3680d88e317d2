#include "harness/server/query_service.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/dpf/key.hpp"

namespace gyre::server {

QueryService::QueryService(const EpochTable& epochs, std::uint8_t party, QueryLimits limits)
    : epochs_(epochs),
      party_(party),
      limits_(limits),
      memory_(limits.answer_memory_bytes),
      // The answers of a pass are held twice: together, and with their requests.
      scheduler_({.pass = {limits.max_pass_queries, limits.max_answer_bytes},
                  .max_passes = limits.max_passes,
                  .max_waiting = limits.max_waiting}) {}

Result<QueryService::Answered> QueryService::answer(QueryKind kind, protocol::QueryRequest request,
                                                    std::function<bool()> gone) try {
  if (request.keys.empty()) {
    return fail(ErrorCode::malformed_request, "a query must have at least one key");
  }
  if (request.keys.size() > limits_.max_keys) {
    return fail(ErrorCode::request_too_large,
                "a query may have at most " + std::to_string(limits_.max_keys) + " keys");
  }
  auto lease = epochs_.lease(request.epoch);
  if (!lease) return forward_error(lease);
  const Epoch& epoch = lease->epoch();
  const Geometry& geometry = epoch.metadata.geometry;

  for (const dpf::Key& key : request.keys) {
    if (auto fits = dpf::check(key, party_, geometry.records(kind)); !fits) {
      return forward_error(fits);
    }
  }
  const auto count = static_cast<std::uint32_t>(request.keys.size());
  const auto answer_bytes = static_cast<std::uint32_t>(geometry.answer_bytes(kind));
  const std::uint64_t total = std::uint64_t{count} * answer_bytes;
  if (total > limits_.max_answer_bytes) {
    return fail(ErrorCode::request_too_large, "the answers to one query may have at most " +
                                                  std::to_string(limits_.max_answer_bytes) +
                                                  " bytes here; send fewer keys at once");
  }
  auto memory = memory_.reserve(total + protocol::max_response_bytes(count, answer_bytes));
  if (!memory) {
    return fail(ErrorCode::queue_full, "too many answers wait for their readers; try again");
  }

  protocol::QueryResponse response{epoch.id, lease->generation().text(), answer_bytes, {}};
  const auto now = std::chrono::steady_clock::now();
  const Deadline deadline = now + limits_.request_time;
  auto answers =
      scheduler_.answer({.lease = std::move(*lease),
                         .kind = kind,
                         .keys = std::move(request.keys),
                         .memory = std::move(*memory),
                         .first_pass_deadline = std::min(now + limits_.patience, deadline),
                         .deadline = deadline,
                         .gone = std::move(gone)});
  if (!answers) return forward_error(answers);
  response.answers = std::move(answers->bytes);
  return Answered{std::move(response), std::move(answers->memory)};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "the server has not enough memory for this query");
}

}  // namespace gyre::server
