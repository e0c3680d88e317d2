// The batches that an epoch stands on, kept so that they can be replayed over a new base and so
// that a batch that is sent again is known.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"
#include "core/update_batch.hpp"

namespace gyre {

// A batch as it was accepted.
struct LoggedBatch {
  UpdateBatch batch;
  Bytes32 digest{};        // SHA-256 of the binary form
  EpochId id;              // of the epoch that it made when it was accepted
  std::uint64_t rows = 0;  // of it, in the table that was current then

  [[nodiscard]] std::uint64_t memory_bytes() const noexcept;
};

// An immutable sequence of accepted batches, the oldest first, whose seq strictly increases (with a
// jump where a base moved the feed on). append() shares what it has; the older epoch keeps its own,
// shorter sequence, so that going back to it goes back to its feed position too.
//
// Thread-safety: const use from any number of threads; a value otherwise.
class UpdateLog {
 public:
  using Entry = std::shared_ptr<const LoggedBatch>;

  // One batch more; the oldest are forgotten as far as the log would exceed max_bytes, but never
  // the one appended. Errors: out_of_memory.
  [[nodiscard]] Result<UpdateLog> append(Entry entry, std::uint64_t max_bytes) const;

  // Without the batches whose seq is above the number. Errors: out_of_memory.
  [[nodiscard]] Result<UpdateLog> up_to(std::uint64_t seq) const;

  // The batch of that number, or nullptr.
  [[nodiscard]] Entry find(std::uint64_t seq) const noexcept;

  // All batches first_seq … last_seq in order, or nothing if one of them is not here.
  [[nodiscard]] Result<std::vector<Entry>> range(std::uint64_t first_seq,
                                                 std::uint64_t last_seq) const;

  // How many of its batches (by identity) the other log does not have.
  [[nodiscard]] std::uint64_t batches_not_in(const UpdateLog& other) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }

 private:
  // Full ones never change and are shared; the last entries are copied with every append, so that
  // appending costs a bounded number of pointers and a pointer for each full chunk.
  static constexpr std::size_t chunk_entries = 64;
  using Chunk = std::vector<Entry>;

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const auto& chunk : chunks_) std::for_each(chunk->begin(), chunk->end(), visit);
    std::for_each(tail_.begin(), tail_.end(), visit);
  }

  std::vector<std::shared_ptr<const Chunk>> chunks_;  // none empty
  Chunk tail_;                                        // fewer than chunk_entries
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace gyre
