// From a decoded query to its answer; knows no HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/server/memory_budget.hpp"
#include "harness/server/pass_scheduler.hpp"

namespace gyre::server {

struct QueryLimits {
  std::uint32_t max_keys = 1024;                      // of one request
  std::uint64_t max_answer_bytes = 32 * 1024 * 1024;  // of one request, all answers together
  std::uint64_t answer_memory_bytes =
      1024 * 1024 * 1024;                          // of all requests whose answers are not yet sent
  std::size_t max_pass_queries = 128;              // in one pass, of all requests together
  std::size_t max_passes = 2;                      // at once, over different images
  std::size_t max_waiting = 512;                   // requests waiting for a pass
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

  // All answers are computed from one epoch, whose lease ends before this returns. Queries of many
  // requests share passes; a request with more than its share of one goes on in the next. Errors:
  // no_epoch, epoch_gone, malformed_request (no keys), wrong_party, key_domain_mismatch,
  // request_too_large (keys or answer bytes), queue_full (no room, or not in time), draining,
  // out_of_memory, the last image's that was asked: where a device fails, the epoch's next image
  // answers. `gone`: see PassRequest; then the error is cancelled.
  [[nodiscard]] Result<Answered> answer(QueryKind kind, protocol::QueryRequest request,
                                        std::function<bool()> gone = {});

  // From now on no request gets into a pass: those under way end as soon as their queries have left
  // the one that they are in, with `draining` if they have more.
  void stop() noexcept { scheduler_.close(); }

  [[nodiscard]] const QueryLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] std::uint8_t party() const noexcept { return party_; }
  [[nodiscard]] std::uint64_t answer_memory_left() const noexcept { return memory_.left(); }
  [[nodiscard]] std::size_t waiting() const { return scheduler_.waiting(); }
  [[nodiscard]] PassStatistics passes() const { return scheduler_.statistics(); }

 private:
  const EpochTable& epochs_;
  const std::uint8_t party_;
  const QueryLimits limits_;
  MemoryBudget memory_;
  PassScheduler scheduler_;
};

}  // namespace gyre::server
