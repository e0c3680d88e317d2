// Many clients of one server on one thread: whole requests that were made before, over connections
// that stay open, each answer compared. Cheap, so that the server has the machine to itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace gyre::scenario {

// A request as it is sent, head included, and what its response's body must end in.
struct PreparedQuery {
  std::string request;
  std::string answer;
};

struct QueryLoadPlan {
  std::string ip;  // as of inet_ntop
  std::uint16_t port = 0;
  unsigned clients = 1;    // connections, one request at a time on each
  double per_second = 0;   // requests that arrive by themselves, a Poisson process; 0: each client
                           // asks again as soon as it is answered
  double warm_up = 0.25;   // seconds before anything is counted
  double seconds = 1;      // that are counted
  std::uint64_t seed = 0;  // of the arrivals
  std::span<const PreparedQuery> queries;  // asked one after another, again and again
  // Called when the time that is counted begins and ends.
  std::function<void()> begun = [] {};
  std::function<void()> ended = [] {};
};

struct QueryLoadFigures {
  std::uint64_t answered = 0;  // within the time that is counted
  std::uint64_t wrong = 0;     // 200 with another answer, at any time
  std::uint64_t refused = 0;   // another status, at any time
  int first_refusal = 0;       // its status
  // Seconds from a request to its answer, of those that were due within the time. Where requests
  // arrive by themselves, waiting for a free client counts.
  std::vector<double> latencies;
};

// Waits for the last answer. Errors: unreachable, timed_out (nothing came for a minute), bad_answer
// (not HTTP as the server speaks it), internal (no event descriptor).
[[nodiscard]] Result<QueryLoadFigures> run_query_load(const QueryLoadPlan& plan);

}  // namespace gyre::scenario
