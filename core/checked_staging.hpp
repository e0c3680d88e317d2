// A staging area whose image is compared with what was staged before anybody gets it.
#pragma once

#include <memory>

#include "core/backend.hpp"
#include "core/seal_check.hpp"

namespace gyre {

// One thread at a time, like every staging area.
class CheckedStaging final : public Staging {
 public:
  // Reserves an image's memory in `backend`, which must outlive this. Errors: stage()'s, internal
  // (no random bytes), out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Staging>> create(Backend& backend,
                                                               const Geometry& geometry);

  CheckedStaging(Place place, std::unique_ptr<Staging> inside, SealCheck check) noexcept
      : place_(place), inside_(std::move(inside)), check_(std::move(check)) {}

  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override;
  // Also image_corrupt; then the image is gone already.
  [[nodiscard]] Result<std::shared_ptr<const Image>> seal() override;

 private:
  const Place place_;
  const std::unique_ptr<Staging> inside_;
  SealCheck check_;
};

}  // namespace gyre
