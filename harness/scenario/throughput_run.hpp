// The fourth part of a scenario: how many queries a second one server answers over HTTP, by how
// many ask at once.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/report/percentiles.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/scenario_file.hpp"

namespace gyre::scenario {

// One number of clients under one kind of load.
struct ThroughputPoint {
  unsigned clients = 0;
  double offered = 0;  // requests a second that arrive by themselves; 0: each client asks again as
                       // soon as it is answered
  double per_second = 0;  // answered
  std::uint64_t wrong = 0;
  std::uint64_t refused = 0;
  int first_refusal = 0;  // status
  report::Percentiles latency;
  double passes = 0;             // readings of the table
  double mean_batch = 0;         // queries a pass
  double mean_pass_seconds = 0;  // while they came over HTTP
  // A pass of that many queries, rounded, straight on the image, with nothing else to do: the
  // median of several.
  double loaded_pass_seconds = 0;
};

struct ThroughputFigures {
  std::uint64_t table_bytes = 0;
  std::uint32_t row_bytes = 0;
  std::string kernel;
  std::string expansion_kernel;
  unsigned threads = 0;
  std::size_t max_pass_queries = 0;
  std::size_t pass_parts = 0;           // of this table
  std::vector<ThroughputPoint> closed;  // in the order of the plan's clients
  std::vector<ThroughputPoint> open;    // likewise
  // The same loads where queries join only between passes; empty if the plan does not want it.
  std::vector<ThroughputPoint> closed_whole;
  std::vector<ThroughputPoint> open_whole;

  // Of the most clients to the fewest, closed.
  [[nodiscard]] double gain() const noexcept;
  // 99th percentile in loaded passes, closed, most clients.
  [[nodiscard]] double p99_in_passes() const noexcept;
  // The number of clients beyond which waiting grows faster than the rate: where queries a second
  // over median latency are most (Kleinrock's power), closed.
  [[nodiscard]] unsigned knee() const noexcept;
  [[nodiscard]] bool all_right() const noexcept;
};

// One server of party 0 in this process, on loopback. Errors: whatever kept the run from being
// made; a wrong answer is a figure, not an error.
[[nodiscard]] Result<ThroughputFigures> run_throughput(const ThroughputPlan& plan,
                                                       std::uint64_t seed,
                                                       const ProgressReport& progress);

[[nodiscard]] nlohmann::json to_json(const ThroughputPlan& plan, const ThroughputFigures& figures);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> table_rows(
    const ThroughputPlan& plan, const ThroughputFigures& figures);

}  // namespace gyre::scenario
