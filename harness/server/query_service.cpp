#include "harness/server/query_service.hpp"

#include <algorithm>
#include <new>
#include <vector>

#include "core/answer_from.hpp"
#include "core/dpf/key.hpp"

namespace gyre::server {

QueryService::QueryService(const EpochTable& epochs, std::uint8_t party, QueryLimits limits)
    : epochs_(epochs),
      party_(party),
      limits_(limits),
      gate_(limits.max_passes, limits.max_waiting),
      memory_(limits.answer_memory_bytes) {}

Result<QueryService::Answered> QueryService::answer(QueryKind kind,
                                                    const protocol::QueryRequest& request) try {
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

  std::vector<Query> queries;
  queries.reserve(request.keys.size());
  for (const dpf::Key& key : request.keys) {
    auto fits = dpf::check(key, party_, geometry.records(kind));
    if (!fits) return forward_error(fits);
    queries.push_back(Query{.kind = kind, .key = &key, .overlay = &epoch.overlay});
  }
  const std::uint64_t total =
      Pass{queries}.answer_bytes(geometry);  // at most 2^32 keys of 2^24 bytes
  if (total > limits_.max_answer_bytes) {
    return fail(ErrorCode::request_too_large, "the answers to one query may have at most " +
                                                  std::to_string(limits_.max_answer_bytes) +
                                                  " bytes here; send fewer keys at once");
  }

  const auto now = std::chrono::steady_clock::now();
  const Deadline deadline = now + limits_.request_time;
  auto turn = gate_.enter(std::min(now + limits_.patience, deadline));
  if (!turn) return forward_error(turn);
  const auto answer_bytes = static_cast<std::uint32_t>(geometry.answer_bytes(kind));
  const auto count = static_cast<std::uint32_t>(queries.size());
  auto memory = memory_.reserve(total + protocol::max_response_bytes(count, answer_bytes));
  if (!memory) {
    return fail(ErrorCode::queue_full, "too many answers wait for their readers; try again");
  }
  protocol::QueryResponse response{epoch.id, lease->generation().text(), answer_bytes, {}};
  response.answers.resize(static_cast<std::size_t>(total));
  auto answered = answer_in_turns(epoch, queries, response.answers, *turn, deadline);
  if (!answered) return forward_error(answered);
  return Answered{std::move(response), std::move(*memory)};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "the server has not enough memory for this query");
}

Result<void> QueryService::answer_in_turns(const Epoch& epoch, std::span<const Query> queries,
                                           std::span<std::byte> answers, PassGate::Turn& turn,
                                           Deadline deadline) {
  for (;;) {
    ++passes_;
    const Pass pass{queries.first(std::min(queries.size(), limits_.keys_per_turn))};
    const auto bytes = static_cast<std::size_t>(pass.answer_bytes(epoch.metadata.geometry));
    if (auto answered = answer_from(epoch.images, pass, answers.first(bytes)); !answered) {
      return answered;
    }
    queries = queries.subspan(pass.queries.size());
    answers = answers.subspan(bytes);
    if (queries.empty()) return {};
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::queue_full,
                  "the answers did not come in time; try again, with fewer keys at once");
    }
    if (auto next = turn.take_another(deadline); !next) return next;
  }
}

}  // namespace gyre::server
