// Turns changes of keys into batches of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "harness/feed/cuckoo_path.hpp"
#include "harness/feed/feed_state.hpp"

namespace gyre::feed {

// A batch can hold the rows of the longest path of moves.
inline constexpr std::uint32_t min_batch_rows = max_path_rows;
inline constexpr std::uint32_t max_batch_rows = 65'536;
inline constexpr std::uint32_t default_batch_rows = 1000;

// And no more bytes of rows than this, whatever the number of rows: a server's bound with room to
// spare, also for base64.
inline constexpr std::size_t max_batch_bytes = std::size_t{32} << 20U;

struct PlanSummary {
  std::uint64_t changed = 0;    // keys that were there and have another value now
  std::uint64_t inserted = 0;   // keys that were not there
  std::uint64_t deleted = 0;    // keys that are gone
  std::uint64_t unchanged = 0;  // values that were the key's already, deletions of absent keys
  std::uint64_t moved = 0;      // times a key made room for another
  std::uint64_t batches = 0;
  std::uint64_t rows = 0;  // over all batches
};

// Applies changes to a state one after another and cuts them into batches with consecutive numbers.
// All rows that one change touches are in one batch, so that no reader misses a key that moves; a
// row occurs once in a batch, with what it is after the batch's last change.
//
// REQUIRES: the caller holds a transaction of the state and drops it after an error; then nothing
// has changed. One thread at a time.
class BatchPlanner {
 public:
  // REQUIRES: batch_rows from min_batch_rows to max_batch_rows.
  BatchPlanner(FeedState& state, std::uint32_t batch_rows);

  // The key has this value from now on. REQUIRES: at most value_bytes bytes; shorter values are
  // filled with zeros. Errors: table_full (no room within the bounds of find_path, or a key with
  // the same tag is there), the state's.
  [[nodiscard]] Result<void> put(std::span<const std::byte> key, std::span<const std::byte> value);

  // The key is gone from now on; that it was not there is no error. Errors: the state's.
  [[nodiscard]] Result<void> erase(std::span<const std::byte> key);

  // Ends the last batch. Errors: the state's.
  [[nodiscard]] Result<PlanSummary> finish();

 private:
  [[nodiscard]] Result<void> insert(std::uint64_t tag, std::span<const std::byte> key);
  [[nodiscard]] Result<std::vector<std::byte>> row_bytes_of(std::uint64_t row);
  [[nodiscard]] Result<void> take_rows(const std::vector<std::uint64_t>& rows);
  [[nodiscard]] Result<void> cut();

  FeedState& state_;
  std::size_t max_rows_;
  std::map<std::uint64_t, std::vector<std::byte>> pending_;  // the batch being filled
  std::vector<std::byte> value_;                             // of the change under way
  PlanSummary summary_;
};

}  // namespace gyre::feed
