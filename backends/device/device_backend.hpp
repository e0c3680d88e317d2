// Images in the memory of a device.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "backends/device/device.hpp"
#include "core/backend.hpp"

namespace gyre {

// Thread-safe. Its images and staging areas keep the device alive.
class DeviceBackend final : public Backend {
 public:
  explicit DeviceBackend(std::shared_ptr<device::Device> device) noexcept
      : device_(std::move(device)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return device_->name(); }
  [[nodiscard]] Place place() const noexcept override { return Place::device; }
  // Of the device's own memory.
  [[nodiscard]] std::uint64_t memory_used_bytes() const noexcept override {
    return device_->used_bytes();
  }
  [[nodiscard]] std::vector<BackendFailure> failures() const override {
    return device_->failures().list();
  }
  // Errors: device_out_of_memory (it has no room now), device_failed, out_of_memory (the host's,
  // for buffers to upload from).
  [[nodiscard]] Result<std::unique_ptr<Staging>> stage(const Geometry& geometry) override;

  [[nodiscard]] const device::Device& device() const noexcept { return *device_; }

 private:
  const std::shared_ptr<device::Device> device_;
};

}  // namespace gyre
