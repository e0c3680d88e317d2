// The same rows staged in several backends at once.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch.hpp"
#include "core/error.hpp"
#include "core/seal_check.hpp"

namespace gyre {

// Which images are compared with what was staged before they may serve. Those on a device always
// are.
enum class HostImages : bool { unchecked, checked };

// One thread at a time. Whatever fails, and dropped at any time: every backend has everything back.
class StagingSet {
 public:
  // Reserves an image's memory in each of the backends, the preferred first; they must outlive
  // this. A device that has no room for another image now is left out, and needs_promotion() says
  // so. Errors: bad_configuration (no backend whose place is the host: epochs must be answerable
  // without a device), stage()'s, internal (no random bytes), out_of_memory.
  [[nodiscard]] static Result<StagingSet> create(std::span<Backend* const> backends,
                                                 const Geometry& geometry,
                                                 HostImages host_images = HostImages::checked);

  // Whether a device was left out: to be given its image later, when it has room.
  [[nodiscard]] bool needs_promotion() const noexcept { return needs_promotion_; }

  // The next rows, for all of them; as Staging::write().
  [[nodiscard]] Result<void> write(std::uint64_t first_row, std::span<const std::byte> rows);

  // The images in the order of the backends, once every row was written. Errors: as
  // Staging::seal(); image_corrupt if one of them does not hold what was written.
  [[nodiscard]] Result<Images> seal();

 private:
  struct Member {
    Place place;
    std::unique_ptr<Staging> staging;
  };
  StagingSet() = default;

  std::vector<Member> members_;
  std::optional<SealCheck> check_;  // one for all; none: nothing is to be checked
  HostImages host_images_ = HostImages::checked;
  bool needs_promotion_ = false;
};

}  // namespace gyre
