#include "core/geometry.hpp"

#include <string>

#include "core/bytes.hpp"

namespace gyre {

Result<Geometry> Geometry::create(std::uint64_t rows, std::uint32_t row_bytes,
                                  std::uint32_t rows_per_page) {
  if (row_bytes < min_row_bytes || row_bytes > max_row_bytes || row_bytes % 4 != 0) {
    return fail(
        ErrorCode::geometry_mismatch,
        "row_bytes must be a multiple of 4 from 4 to 65536, not " + std::to_string(row_bytes));
  }
  if (rows_per_page == 0 || std::uint64_t{rows_per_page} * row_bytes > max_page_bytes) {
    return fail(ErrorCode::geometry_mismatch,
                "rows_per_page must be at least 1 and a page at most 16 MiB");
  }
  if (rows == 0) return fail(ErrorCode::empty_snapshot, "a table needs at least one row");
  if (rows % rows_per_page != 0) {
    return fail(ErrorCode::misaligned_size, "rows must be a multiple of rows_per_page (" +
                                                std::to_string(rows_per_page) +
                                                "); pad the last page with zero rows");
  }
  const auto bytes = checked_multiply(rows, row_bytes);
  if (!bytes || *bytes > max_table_bytes) {
    return fail(ErrorCode::geometry_mismatch, "a table may have at most 64 TiB");
  }
  return Geometry{rows, row_bytes, rows_per_page};
}

}  // namespace gyre
