// What a scenario file asks for. docs/formats.md, "Scenario files", lists every key.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::scenario {

// Fault plans of the servers that a scenario starts, by party; an empty one is none.
using FaultPlans = std::array<std::string, 2>;

// Build a keyed table from a file, serve it as two processes on this machine, look up every key and
// some that are not there, and hold each answer against the file.
struct LookupPlan {
  std::filesystem::path input;     // CSV of key,value
  std::filesystem::path expected;  // CSV that the answers are held against; empty: the input
  ValueKind value = ValueKind::ethereum_account;
  std::optional<std::uint64_t> block_number;
  std::optional<Bytes32> state_root;
  std::string backend = "cpu";
  std::uint64_t most_keys = 0;  // look up so many of the keys, chosen by the seed; 0: all
  std::uint64_t absent = 0;     // and so many keys that are not there
  unsigned clients = 1;         // that ask at the same time
  FaultPlans faults;
};

// Scan a table of random rows with one query at a time, beside the machine's plain read bandwidth.
struct ScanPlan {
  std::uint64_t table_bytes = 0;
  std::vector<std::uint32_t> row_bytes;
  unsigned threads = 0;  // 0: every CPU
  unsigned repetitions = 11;
  // What is asked of each row size, to be said beside what was found; empty: nothing.
  std::vector<double> min_ratio;              // of the scan's rate to the plain read's
  std::optional<double> max_expansion_share;  // of the scan's time
};

// Serve a keyed table while it is replaced and updated, ask for its keys all the time, and hold
// each answer against the content of the epoch it names.
struct RotatePlan {
  std::uint64_t table_bytes = 0;  // of every base, about
  unsigned rotations = 10;        // every other one to a new table
  unsigned batches = 200;
  unsigned batch_rows = 1000;
  std::string backend = "cpu";
  unsigned clients = 8;            // lookups under way at once, at most
  double load_share = 0.5;         // arrivals, of what the pair can serve
  std::uint64_t samples = 10'000;  // of each kind: at rest, beside a plain download, rotating
  bool beside_download = true;     // measure beside `curl | sha256sum` too
  std::uint64_t large_bytes = 0;   // then one rotation of an indexed table of this size; 0: none
  FaultPlans faults;
};

// Serve a table of random rows over HTTP and ask for single rows from more and more clients.
struct ThroughputPlan {
  std::uint64_t table_bytes = 0;
  std::uint32_t row_bytes = 32;
  std::vector<std::uint32_t> clients;  // at once, the fewest first
  unsigned seconds = 4;                // of each load
  double open_share = 0.7;  // of what clients that ask without a pause get: arrivals by themselves
  unsigned threads = 0;     // of a pass; 0: every CPU
  std::uint32_t max_pass_queries = 0;  // 0: the server's default
  unsigned pass_parts = 8;             // between which queries can join a pass
  // Of a table, for each part and thread, at least; not in the file.
  std::uint64_t least_part_bytes = std::uint64_t{64} << 20U;
  bool whole_passes_too = false;  // each load also on a server whose passes have one part
  // What is asked, to be said beside what was found; nothing: nothing.
  std::optional<double> min_gain;        // of the most clients' rate to the fewest's
  std::optional<double> max_p99_passes;  // p99 of the most clients, in passes as full as theirs
};

struct ScenarioFile {
  std::string name;   // of the result file: letters, digits and hyphens
  std::string title;  // one line for people
  std::optional<LookupPlan> lookup;
  std::optional<ScanPlan> scan;
  std::optional<RotatePlan> rotate;
  std::optional<ThroughputPlan> throughput;
  FaultPlans faults;  // those of `lookup` and `rotate`
};

// Reads the file. With `smoke`, what its table [smoke] says replaces the values above it, for a
// quick run. Paths in it are relative to it. Errors: io_failed; malformed_input with the line: not
// TOML, an unknown key, a value of another type or out of its bounds, fault plans in a build whose
// servers take none.
[[nodiscard]] Result<ScenarioFile> read_scenario_file(const std::filesystem::path& path,
                                                      bool smoke);

}  // namespace gyre::scenario
