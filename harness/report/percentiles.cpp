#include "harness/report/percentiles.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace gyre::report {

Percentiles percentiles(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&seconds](double share) {
    const double rank = std::ceil(share * static_cast<double>(seconds.size()));
    return seconds[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  };
  return {seconds.size(), at(0.5), at(0.9), at(0.99), seconds.back()};
}

nlohmann::json to_json(const Percentiles& latency) {
  return {{"samples", latency.samples},
          {"p50_seconds", latency.p50},
          {"p90_seconds", latency.p90},
          {"p99_seconds", latency.p99},
          {"max_seconds", latency.max}};
}

}  // namespace gyre::report
