// Which of the queries that wait a pass takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gyre::server {

// What one pass may hold at most. A single query goes into a pass however long its answer is.
struct PassBounds {
  std::size_t queries = 128;
  std::uint64_t answer_bytes = 32 * 1024 * 1024;  // all answers together
};

// What a pass holds already.
struct PassLoad {
  std::size_t queries = 0;
  std::uint64_t answer_bytes = 0;
};

// A request that waits, with what no pass has taken yet.
struct WaitingQueries {
  std::size_t queries = 0;
  std::uint64_t answer_bytes = 0;  // of each
};

// How many queries a pass takes of each of the requests, which stand in the order in which they
// wait: one of each, then another one of each, until the next one in turn does not fit any more. So
// a long request costs those behind it one query at a time, and one with long answers is not passed
// over for ever. Errors: std::bad_alloc.
[[nodiscard]] std::vector<std::size_t> fair_shares(std::span<const WaitingQueries> requests,
                                                   PassBounds bounds, PassLoad already = {});

}  // namespace gyre::server
