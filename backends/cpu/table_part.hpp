// A part of a table that a pass reads by itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/interleaved_layout.hpp"
#include "core/backend.hpp"
#include "core/geometry.hpp"
#include "core/overlay.hpp"

namespace gyre::cpu {

// How passes may be cut.
struct PartBounds {
  std::uint64_t least_bytes = 0;  // of the table, in each part
  std::size_t most_parts = 1;
};

// Parts of a table that has this layout, at least one: whole groups each, the last with the tail.
[[nodiscard]] constexpr std::size_t parts_of_table(const Geometry& geometry,
                                                   const InterleavedLayout& layout,
                                                   const PartBounds& bounds) noexcept {
  const std::uint64_t parts =
      std::min(geometry.bytes() / std::max<std::uint64_t>(bounds.least_bytes, 1), layout.groups());
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(parts, 1, bounds.most_parts));
}

// Consecutive groups, and perhaps the tail behind them. A value.
struct TablePart {
  std::uint64_t first_group;
  std::uint64_t groups;
  std::uint64_t tail_pages;

  // Part number `part` of so many, nearly equal ones; the whole table for Pass::whole_table.
  [[nodiscard]] static constexpr TablePart of(const InterleavedLayout& layout, std::size_t part,
                                              std::size_t parts) noexcept {
    if (part == Pass::whole_table) return {0, layout.groups(), layout.tail_pages()};
    const std::uint64_t each = layout.groups() / parts;
    const std::uint64_t longer = layout.groups() % parts;  // the first of them have one more
    return {.first_group = part * each + std::min<std::uint64_t>(part, longer),
            .groups = each + (part < longer ? 1 : 0),
            .tail_pages = part + 1 == parts ? layout.tail_pages() : 0};
  }

  // The pages it has: consecutive, as the tail follows the last group.
  [[nodiscard]] constexpr std::uint64_t first_page() const noexcept {
    return first_group * pages_per_group;
  }
  [[nodiscard]] constexpr std::uint64_t pages() const noexcept {
    return groups * pages_per_group + tail_pages;
  }
};

// Rows first … end - 1.
struct RowRange {
  std::uint64_t first;
  std::uint64_t end;
};

[[nodiscard]] constexpr RowRange rows_of(const Geometry& geometry, const TablePart& part) noexcept {
  return {part.first_page() * geometry.rows_per_page,
          (part.first_page() + part.pages()) * geometry.rows_per_page};
}

// Rows that a batch changes, and their differences one after another.
struct BatchRows {
  std::span<const std::uint64_t> rows;
  const std::uint8_t* differences;
};

// Those of the range.
[[nodiscard]] inline BatchRows rows_in(const OverlayBatch& batch, const RowRange& range,
                                       std::uint64_t row_bytes) noexcept {
  const auto first = std::lower_bound(batch.rows.begin(), batch.rows.end(), range.first);
  const auto end = std::lower_bound(first, batch.rows.end(), range.end);
  return {{first, end},
          reinterpret_cast<const std::uint8_t*>(batch.differences.data()) +
              static_cast<std::uint64_t>(first - batch.rows.begin()) * row_bytes};
}

}  // namespace gyre::cpu
