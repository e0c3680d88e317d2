// What an overlay changes in each row, all its batches together: so that the next batch can be
// stored as differences without walking through those before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"
#include "core/overlay.hpp"

namespace gyre {

// One thread at a time.
class RowChanges {
 public:
  // Of no row.
  RowChanges() = default;

  // Of all batches of an overlay, with room for about so many rows in all: growing beyond it takes
  // longer than a batch should. Errors: out_of_memory.
  [[nodiscard]] static Result<RowChanges> of(const Overlay& overlay, std::uint32_t row_bytes,
                                             std::uint64_t expected_rows);

  // Makes room for these rows, so that add() cannot fail. Changes nothing else. Errors:
  // out_of_memory.
  [[nodiscard]] Result<void> make_room(std::span<const std::uint64_t> rows);

  // XORs what is known of the row into `row`. O(1).
  void apply_to(std::uint64_t row_number, std::span<std::byte> row) const noexcept;

  // Adds a batch. REQUIRES: make_room() for its rows.
  void add(const OverlayBatch& batch) noexcept;

 private:
  std::uint32_t row_bytes_ = 0;
  std::unordered_map<std::uint64_t, std::size_t> place_;  // of a row in differences_, bytes
  std::vector<std::byte> differences_;
};

}  // namespace gyre
