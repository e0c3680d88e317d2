// Building snapshots: a rows file, its manifest, and for keyed tables the private builder file.
//
// A build makes all its files or none: until everything is written and durable they have no names,
// and it never replaces a file that is there.
//
// Thread-safety: builds are independent of each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/random_source.hpp"
#include "harness/snapshot/manifest.hpp"
#include "harness/snapshot/progress.hpp"
#include "harness/snapshot/record_reader.hpp"

namespace gyre::snapshot {

// DIRECTORY/NAME.rows, .manifest.json and .builder.
struct Output {
  std::filesystem::path directory;
  std::string name;

  [[nodiscard]] std::filesystem::path rows() const { return directory / (name + ".rows"); }
  [[nodiscard]] std::filesystem::path manifest() const {
    return directory / (name + ".manifest.json");
  }
  [[nodiscard]] std::filesystem::path builder() const { return directory / (name + ".builder"); }
};

// What the rows do not tell.
struct Origin {
  std::uint64_t as_of_seq = 0;
  std::optional<std::uint64_t> block_number;
  std::optional<Bytes32> state_root;
  std::optional<Bytes16> table;                // nothing: a random one
  std::optional<std::uint32_t> rows_per_page;  // nothing: Geometry::default_rows_per_page
};

inline constexpr double max_load = 0.85;

struct KeyedBuild {
  std::filesystem::path input;  // "-": standard input
  RecordSyntax syntax;
  Output output;
  Origin origin;
  // Of a `bytes` table; nothing: the longest value's length. More is an error of the input.
  std::optional<std::uint32_t> value_bytes;
  double load = max_load;  // keys per row at most, above 0; rows are rounded up to whole pages
};

struct IndexedBuild {
  std::filesystem::path input;  // rows one after another; "-": standard input
  std::uint32_t row_bytes = 0;
  Output output;
  Origin origin;
};

struct Built {
  Manifest manifest;
  unsigned placements = 0;      // tried until all keys had a row
  bool skipped_header = false;  // the first record of the CSV was taken as the columns' names
};

// A cuckoo3 table. Reads the input once, keeps its records in an unnamed file in the output
// directory, and in memory about 21 bytes a key at its peak plus a constant (some 200 MiB). The
// table id, tag key and seeds come from `random`; equal input and equal random bytes make equal
// files. Errors: malformed_input (with a line), duplicate_key (with both lines), empty_snapshot,
// table_full, geometry_mismatch, bad_configuration, disk_full, io_failed, out_of_memory, cancelled.
[[nodiscard]] Result<Built> build_keyed(const KeyedBuild& build, RandomSource& random,
                                        const Watch& watch);

// A table of rows found by number; zero rows fill the last page. Memory: a constant. Errors as
// above and misaligned_size (the input is no whole number of rows).
[[nodiscard]] Result<Built> build_indexed(const IndexedBuild& build, RandomSource& random,
                                          const Watch& watch);

}  // namespace gyre::snapshot
