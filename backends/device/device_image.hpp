// An image on a device.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "backends/device/device_memory.hpp"
#include "core/backend.hpp"

namespace gyre::device {

class DeviceImage final : public Image {
 public:
  // REQUIRES: memory of geometry.bytes() that holds every row.
  DeviceImage(const Geometry& geometry, DeviceMemory memory) noexcept
      : geometry_(geometry), memory_(std::move(memory)) {}

  [[nodiscard]] const Geometry& geometry() const noexcept override { return geometry_; }
  [[nodiscard]] std::string_view residency() const noexcept override {
    return memory_.device().name();
  }
  [[nodiscard]] std::string_view kernel() const noexcept override {
    return memory_.device().kernel();
  }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept override { return memory_.bytes(); }
  // False from the first pass or read on that the device failed or had no room for: whoever asks
  // for room for passes when an image is made, as CUDA does, must not be asked again for each.
  [[nodiscard]] bool healthy() const noexcept override { return healthy_.load(); }

  // By the device. Errors: device_failed, device_out_of_memory, out_of_memory.
  [[nodiscard]] Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override;
  [[nodiscard]] Result<void> read_rows(std::uint64_t first_row,
                                       std::span<std::byte> out) const override;
  // Copies on the device what the overlay changes, shares the rest; then brings down, changes and
  // sends up the rows that the overlay has; what went up is read back and compared. Errors:
  // device_out_of_memory, device_upload_failed, device_failed, image_corrupt, out_of_memory.
  [[nodiscard]] Result<std::shared_ptr<const Image>> with_updates(
      const Overlay& overlay) const override;

 private:
  // What the caller gets for a device's error, which is counted; and remembers that this image
  // should not be asked again.
  [[nodiscard]] tl::unexpected<Error> failed(Error error) const;

  const Geometry geometry_;
  const DeviceMemory memory_;
  mutable std::atomic<bool> healthy_{true};
};

}  // namespace gyre::device
