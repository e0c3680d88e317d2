// The first part of a scenario: a table is built, served by two processes, and every answer is
// compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/report/percentiles.hpp"
#include "harness/scenario/scenario_file.hpp"

namespace gyre::scenario {

struct LookupFigures {
  std::uint64_t keys = 0;  // in the table
  std::uint64_t rows = 0;
  std::uint32_t row_bytes = 0;
  std::string epoch;
  double build_seconds = 0;
  unsigned clients = 0;

  std::uint64_t present_asked = 0;  // keys that are in the table
  std::uint64_t present_right = 0;  // found, with the file's balance
  std::uint64_t absent_asked = 0;   // keys that are not
  std::uint64_t absent_right = 0;   // said to be absent
  std::uint64_t failed = 0;         // no answer at all
  std::string first_failure;        // its sentence

  double seconds = 0;  // for all lookups
  report::Percentiles latency;
  double bytes_up = 0;  // HTTP bodies to both servers together, of one lookup
  double bytes_down = 0;

  // Every lookup answered, and every answer what the file says.
  [[nodiscard]] bool all_right() const noexcept {
    return failed == 0 && present_right == present_asked && absent_right == absent_asked;
  }
};

// Called now and then with what is being done: phase, done, total.
using ProgressReport =
    std::function<void(std::string_view phase, std::uint64_t done, std::uint64_t total)>;

// `program` is the `gyre` to serve with. The seed determines the table, the absent keys and the
// order; keys of queries come from the operating system as always. Errors: whatever kept the run
// from being made; a wrong answer is a figure, not an error.
[[nodiscard]] Result<LookupFigures> run_lookups(const LookupPlan& plan, std::uint64_t seed,
                                                const std::filesystem::path& program,
                                                const ProgressReport& progress);

[[nodiscard]] nlohmann::json to_json(const LookupFigures& figures);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> table_rows(
    const LookupFigures& figures);

}  // namespace gyre::scenario
