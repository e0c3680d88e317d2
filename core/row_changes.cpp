#include "core/row_changes.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "core/fault_point.hpp"

namespace gyre {

Result<RowChanges> RowChanges::of(const Overlay& overlay, std::uint32_t row_bytes,
                                  std::uint64_t expected_rows) {
  GYRE_FAULT_POINT(changes_alloc);
  constexpr std::uint64_t most_reserved_rows = std::uint64_t{1} << 20U;
  constexpr std::uint64_t most_reserved_bytes = std::uint64_t{16} << 20U;
  RowChanges changes;
  changes.row_bytes_ = row_bytes;
  try {
    const std::uint64_t rows = std::min(expected_rows, most_reserved_rows);
    changes.place_.reserve(rows);
    changes.differences_.reserve(std::min(rows * row_bytes, most_reserved_bytes));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for what an overlay changes");
  }
  std::optional<Error> failure;
  overlay.for_each([&](const OverlayBatch& batch) {
    if (failure) return;
    if (auto room = changes.make_room(batch.rows); !room) {
      failure = std::move(room.error());
    } else {
      changes.add(batch);
    }
  });
  if (failure) return tl::unexpected<Error>(std::move(*failure));
  return changes;
}

Result<void> RowChanges::make_room(std::span<const std::uint64_t> rows) {
  try {
    // A row without a change is a change of nothing: what is left behind if this fails half way
    // does no harm.
    for (const std::uint64_t row : rows) {
      if (place_.contains(row)) continue;
      const std::size_t place = differences_.size();
      differences_.resize(place + row_bytes_);
      place_.emplace(row, place);
    }
    return {};
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for what a batch changes");
  }
}

void RowChanges::apply_to(std::uint64_t row_number, std::span<std::byte> row) const noexcept {
  const auto found = place_.find(row_number);
  if (found == place_.end()) return;
  for (std::size_t i = 0; i < row.size(); ++i) row[i] ^= differences_[found->second + i];
}

void RowChanges::add(const OverlayBatch& batch) noexcept {
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const std::size_t place = place_.find(batch.rows[i])->second;
    for (std::size_t j = 0; j < row_bytes_; ++j) {
      differences_[place + j] ^= batch.differences[i * row_bytes_ + j];
    }
  }
}

}  // namespace gyre
