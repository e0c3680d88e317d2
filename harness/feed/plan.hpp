// From files of changes to batches that are kept until everybody has them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/error.hpp"
#include "harness/feed/batch_planner.hpp"
#include "harness/feed/feed_state.hpp"
#include "harness/snapshot/progress.hpp"
#include "harness/snapshot/record_reader.hpp"

namespace gyre::feed {

// What is to change, in the forms that snapshots are built from. "-": standard input.
struct ChangeFiles {
  // Keys with the values that they have from now on, whether they are in the table or not.
  std::optional<std::filesystem::path> puts;
  // Keys that are gone from now on; deleted before anything is put, so that there is room.
  std::optional<std::filesystem::path> deletions;
  snapshot::InputFormat puts_format = snapshot::InputFormat::csv;
  snapshot::InputFormat deletions_format = snapshot::InputFormat::csv;
  snapshot::ValueEncoding encoding = snapshot::ValueEncoding::text;
  snapshot::CsvHeader header = snapshot::CsvHeader::automatic;
};

// Applies all changes in the order of the files and makes them batches, or changes nothing. A key
// may occur more than once; its last value stays. Returns once the batches are durable. The same
// files again come to no change and no batch, so that a run that failed can be repeated. Errors:
// malformed_input, table_full (both name the line), io_failed, disk_full, out_of_memory, cancelled.
// REQUIRES: batch_rows as for BatchPlanner, no transaction of the state.
[[nodiscard]] Result<PlanSummary> plan_changes(FeedState& state, const ChangeFiles& files,
                                               std::uint32_t batch_rows,
                                               const snapshot::Watch& watch);

}  // namespace gyre::feed
