// The shape of a table: how many rows of how many bytes, and how many rows a page has.
#pragma once

#include <cstdint>

#include "core/error.hpp"

namespace gyre {

// What a query asks for: one row, or one page of `rows_per_page` consecutive rows.
enum class QueryKind : std::uint8_t { row, page };

// Invariants (kept by create(), relied on everywhere): row_bytes is a multiple of 4 from 4 to
// 65,536; rows is a positive multiple of rows_per_page (builders pad to whole pages); a page has at
// most max_page_bytes and the table at most max_table_bytes. So none of the products below can
// overflow.
//
// Thread-safety: a value.
struct Geometry {
  static constexpr std::uint32_t min_row_bytes = 4;
  static constexpr std::uint32_t max_row_bytes = 65'536;
  static constexpr std::uint64_t max_page_bytes = std::uint64_t{1} << 24;
  static constexpr std::uint64_t max_table_bytes = std::uint64_t{1} << 46;

  std::uint64_t rows = 0;
  std::uint32_t row_bytes = 0;
  std::uint32_t rows_per_page = 0;

  // Errors: empty_snapshot, misaligned_size, geometry_mismatch.
  [[nodiscard]] static Result<Geometry> create(std::uint64_t rows, std::uint32_t row_bytes,
                                               std::uint32_t rows_per_page);

  // Rows a page has unless somebody says otherwise: as many as fit 4,096 bytes, at least one.
  [[nodiscard]] static constexpr std::uint32_t default_rows_per_page(
      std::uint32_t row_bytes) noexcept {
    return row_bytes >= 4096 ? 1 : 4096 / row_bytes;
  }

  [[nodiscard]] constexpr std::uint64_t pages() const noexcept { return rows / rows_per_page; }
  [[nodiscard]] constexpr std::uint64_t page_bytes() const noexcept {
    return std::uint64_t{row_bytes} * rows_per_page;
  }
  [[nodiscard]] constexpr std::uint64_t bytes() const noexcept { return rows * row_bytes; }

  // How many records a key of this kind selects among, and how long (bytes) its answer is.
  [[nodiscard]] constexpr std::uint64_t records(QueryKind kind) const noexcept {
    return kind == QueryKind::row ? rows : pages();
  }
  [[nodiscard]] constexpr std::uint64_t answer_bytes(QueryKind kind) const noexcept {
    return kind == QueryKind::row ? row_bytes : page_bytes();
  }

  friend bool operator==(const Geometry&, const Geometry&) = default;
};

}  // namespace gyre
