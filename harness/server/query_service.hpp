// From a decoded query to its answer; knows no HTTP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/server/memory_budget.hpp"
#include "harness/server/pass_gate.hpp"

namespace gyre::server {

struct QueryLimits {
  std::uint32_t max_keys = 1024;                      // of one request
  std::uint64_t max_answer_bytes = 32 * 1024 * 1024;  // of one request, all answers together
  std::uint64_t answer_memory_bytes =
      1024 * 1024 * 1024;                          // of all requests whose answers are not yet sent
  std::size_t max_passes = 2;                      // at once
  std::size_t keys_per_turn = 8;                   // then whoever waits goes first
  std::size_t max_waiting = 128;                   // queries waiting for a pass
  std::chrono::milliseconds patience{30'000};      // how long one waits for its first
  std::chrono::milliseconds request_time{60'000};  // for all answers to one request
};

// Thread-safe.
class QueryService {
 public:
  // `epochs` must outlive the service. `party`: 0 or 1.
  QueryService(const EpochTable& epochs, std::uint8_t party, QueryLimits limits);

  // Holds its part of the memory for answers until it is destroyed, which is when it has been sent.
  struct Answered {
    protocol::QueryResponse response;
    MemoryBudget::Reservation memory;  // enough for the answers and one encoded copy of them
  };

  // All answers are computed from one epoch, whose lease ends before this returns, a few keys at a
  // time: a long request takes turns with the others. Errors: no_epoch, epoch_gone,
  // malformed_request (no keys), wrong_party, key_domain_mismatch, request_too_large (keys or
  // answer bytes), queue_full (no room, or not in time), draining, out_of_memory, the last
  // image's that was asked: where a device fails, the epoch's next image answers.
  [[nodiscard]] Result<Answered> answer(QueryKind kind, const protocol::QueryRequest& request);

  // From now on nothing more is computed: requests under way end with `draining` as soon as the
  // pass that they are in is over.
  void stop() noexcept { gate_.close(); }

  [[nodiscard]] const QueryLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] std::uint8_t party() const noexcept { return party_; }
  [[nodiscard]] std::uint64_t answer_memory_left() const noexcept { return memory_.left(); }
  [[nodiscard]] std::size_t waiting() const { return gate_.waiting(); }
  [[nodiscard]] std::uint64_t passes() const noexcept { return passes_; }  // begun so far

 private:
  // Answers the queries turn by turn, the first of which is given.
  [[nodiscard]] Result<void> answer_in_turns(const Epoch& epoch, std::span<const Query> queries,
                                             std::span<std::byte> answers, PassGate::Turn& turn,
                                             Deadline deadline);

  const EpochTable& epochs_;
  const std::uint8_t party_;
  const QueryLimits limits_;
  PassGate gate_;
  MemoryBudget memory_;
  std::atomic<std::uint64_t> passes_{0};
};

}  // namespace gyre::server
