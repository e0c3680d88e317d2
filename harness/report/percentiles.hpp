// Percentiles of recorded durations.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace gyre::report {

// Seconds. A percentile is the smallest recorded value that at least that share of all values does
// not exceed (nearest rank), so each is a value that was measured.
struct Percentiles {
  std::size_t samples = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
};

[[nodiscard]] Percentiles percentiles(std::vector<double> seconds);
[[nodiscard]] nlohmann::json to_json(const Percentiles& latency);

}  // namespace gyre::report
