// The same rows staged in several backends at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch.hpp"
#include "core/error.hpp"
#include "core/seal_check.hpp"

namespace gyre {

// Whether images in host memory are compared with what was staged before they may serve. Those on a
// device always are: a bus and another memory lie between. For the host's own, combining the rows
// and reading them back costs more than digesting them did, so it is for the operator to choose.
enum class HostImages : bool { unchecked, checked };

// What went up to devices, and how long whoever staged it waited for them. They copy while the next
// rows come, so it is no more than their rate where those are slower.
struct DeviceUpload {
  std::uint64_t bytes = 0;
  double seconds = 0;
};

// One thread at a time. Whatever fails, and dropped at any time: every backend has everything back.
class StagingSet {
 public:
  // Reserves an image's memory in each of the backends, the preferred first; they must outlive
  // this. A device that has no room for another image now is left out, and needs_promotion() says
  // so. Errors: bad_configuration (no backend whose place is the host: epochs must be answerable
  // without a device), stage()'s, internal (no random bytes), out_of_memory.
  [[nodiscard]] static Result<StagingSet> create(std::span<Backend* const> backends,
                                                 const Geometry& geometry,
                                                 HostImages host_images = HostImages::unchecked);

  // Whether a device was left out: to be given its image later, when it has room.
  [[nodiscard]] bool needs_promotion() const noexcept { return needs_promotion_; }

  // The next rows, for all of them; as Staging::write().
  [[nodiscard]] Result<void> write(std::uint64_t first_row, std::span<const std::byte> rows);

  // Since this was made; nothing where no device is among the backends.
  [[nodiscard]] const DeviceUpload& device_upload() const noexcept { return device_upload_; }

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
  HostImages host_images_ = HostImages::unchecked;
  bool needs_promotion_ = false;
  DeviceUpload device_upload_;
};

}  // namespace gyre
