// The third part of a scenario: bases and batches come while lookups run, and every answer is held
// against the content of the epoch it names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/report/percentiles.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/scenario_file.hpp"

namespace gyre::scenario {

// One rotation of a table that is large beside everything else a server keeps, alone on the
// machine.
struct LargeRotation {
  std::uint64_t table_bytes = 0;
  std::uint64_t peak_bytes = 0;  // the most memory the server had resident
  double seconds = 0;            // from the request to its answer
  double download_seconds = 0;   // `curl | sha256sum` of the same bytes from the same origin

  [[nodiscard]] double memory_ratio() const;
  [[nodiscard]] double ingest_ratio() const;  // its rate to the plain download's
};

struct RotateFigures {
  std::string backend;
  std::uint64_t keys = 0;
  std::uint64_t row_bytes = 0;
  double capacity = 0;  // lookups a second that the pair answers when asked without a pause
  double offered = 0;   // lookups a second that arrived

  std::uint64_t lookups = 0;
  std::uint64_t failed = 0;        // no answer
  std::uint64_t inconsistent = 0;  // not what the named epoch has, or an epoch that never was
  std::uint64_t gone = 0;          // 410, and asked again
  std::string first_failure;
  std::string first_inconsistency;

  std::uint64_t rotations = 0;  // on both servers
  std::uint64_t batches = 0;    // acknowledged by both
  std::uint64_t epochs_seen = 0;
  bool converged = false;  // at the end both name the epoch that the history leads to

  report::Percentiles at_rest;
  report::Percentiles beside_download;
  report::Percentiles rotating;
  report::Percentiles batch;     // from a batch's request to its acknowledgement
  report::Percentiles rotation;  // from a rotation's request to its answer
  std::vector<std::pair<std::string, report::Percentiles>>
      phases;  // of rotations, as the servers say

  LargeRotation large;

  [[nodiscard]] bool all_right() const noexcept;
};

// `program` is the `gyre` to serve with. Errors: whatever kept the run from being made; a wrong
// answer is a figure, not an error.
[[nodiscard]] Result<RotateFigures> run_rotations(const RotatePlan& plan, std::uint64_t seed,
                                                  const std::filesystem::path& program,
                                                  const ProgressReport& progress);

[[nodiscard]] nlohmann::json to_json(const RotateFigures& figures);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> table_rows(
    const RotateFigures& figures);

}  // namespace gyre::scenario
