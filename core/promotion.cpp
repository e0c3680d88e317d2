#include "core/promotion.hpp"

#include <algorithm>
#include <new>
#include <vector>

#include "core/checked_staging.hpp"
#include "core/fault_point.hpp"

namespace gyre {
namespace {

constexpr std::uint64_t bytes_at_once = std::uint64_t{1} << 20U;

Result<void> upload(std::uint64_t first_row, std::span<const std::byte> rows, Staging& staging) {
  GYRE_FAULT_POINT(promotion_upload);
  return staging.write(first_row, rows);
}

}  // namespace

Result<std::shared_ptr<const Image>> promote(const Image& from, Backend& to,
                                             const std::stop_token& stop) try {
  const Geometry& geometry = from.geometry();
  auto staging = CheckedStaging::create(to, geometry);
  if (!staging) return forward_error(staging);
  const std::uint64_t rows_at_once =
      std::clamp<std::uint64_t>(bytes_at_once / geometry.row_bytes, 1, geometry.rows);
  std::vector<std::byte> rows(static_cast<std::size_t>(rows_at_once * geometry.row_bytes));
  for (std::uint64_t row = 0; row < geometry.rows; row += rows_at_once) {
    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "an upload was stopped");
    const std::uint64_t count = std::min(rows_at_once, geometry.rows - row);
    const auto some = std::span(rows).first(static_cast<std::size_t>(count * geometry.row_bytes));
    if (auto read = from.read_rows(row, some); !read) return forward_error(read);
    if (auto written = upload(row, some, **staging); !written) return forward_error(written);
  }
  return (*staging)->seal();
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory to bring an image to a device");
}

}  // namespace gyre
