#include "core/checked_staging.hpp"

#include <new>
#include <utility>

namespace gyre {

Result<std::unique_ptr<Staging>> CheckedStaging::create(Backend& backend,
                                                        const Geometry& geometry) try {
  auto check = SealCheck::create(geometry);
  if (!check) return forward_error(check);
  auto inside = backend.stage(geometry);
  if (!inside) return forward_error(inside);
  return std::make_unique<CheckedStaging>(backend.place(), std::move(*inside), std::move(*check));
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for a staging area");
}

Result<void> CheckedStaging::write(std::uint64_t first_row, std::span<const std::byte> rows) {
  // The staging area inside says whether these are whole rows, the next ones.
  if (auto written = inside_->write(first_row, rows); !written) return written;
  check_.add(first_row, rows);
  return {};
}

Result<std::shared_ptr<const Image>> CheckedStaging::seal() {
  auto image = inside_->seal();
  if (!image) return forward_error(image);
  if (auto same = check_sealed(check_, place_, **image); !same) return forward_error(same);
  return image;
}

}  // namespace gyre
