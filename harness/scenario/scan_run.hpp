// The second part of a scenario: how fast one query scans a table that fits no cache.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/bench/measure.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/scenario_file.hpp"

namespace gyre::scenario {

// One entry for each row size of the plan. Errors: the backend's; internal if an answer is wrong.
[[nodiscard]] Result<std::vector<bench::ScanFigures>> run_scans(const ScanPlan& plan,
                                                                std::uint64_t seed,
                                                                const ProgressReport& progress);

// Whether entry `i` is what the plan asks of it; true if it asks nothing.
[[nodiscard]] bool meets(const ScanPlan& plan, const bench::ScanFigures& figures, std::size_t i);

[[nodiscard]] nlohmann::json to_json(const ScanPlan& plan,
                                     const std::vector<bench::ScanFigures>& figures);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> table_rows(
    const ScanPlan& plan, const std::vector<bench::ScanFigures>& figures);

}  // namespace gyre::scenario
