// A table's memory on a device that goes back when nobody holds it.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "backends/device/device.hpp"

namespace gyre::device {

// Move-only; keeps its device alive. Thread-safety: as the buffer's.
class DeviceMemory {
 public:
  // Errors: Device::allocate()'s.
  [[nodiscard]] static Result<DeviceMemory> allocate(std::shared_ptr<Device> device,
                                                     const Geometry& geometry) {
    auto buffer = device->allocate(geometry);
    if (!buffer) return forward_error(buffer);
    return DeviceMemory(std::move(device), *buffer, geometry.bytes());
  }
  // Errors: Device::allocate_copy()'s.
  [[nodiscard]] Result<DeviceMemory> copy(std::span<const ByteRange> writable) const {
    auto buffer = device_->allocate_copy(buffer_, writable);
    if (!buffer) return forward_error(buffer);
    return DeviceMemory(device_, *buffer, bytes_);
  }
  DeviceMemory(DeviceMemory&& other) noexcept
      : device_(std::move(other.device_)),
        buffer_(std::exchange(other.buffer_, 0)),
        bytes_(other.bytes_) {}
  DeviceMemory& operator=(DeviceMemory&&) = delete;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() {
    if (device_ && buffer_ != 0) device_->free(buffer_);
  }

  [[nodiscard]] Device& device() const noexcept { return *device_; }
  [[nodiscard]] const std::shared_ptr<Device>& shared_device() const noexcept { return device_; }
  [[nodiscard]] BufferId buffer() const noexcept { return buffer_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  DeviceMemory(std::shared_ptr<Device> device, BufferId buffer, std::uint64_t bytes) noexcept
      : device_(std::move(device)), buffer_(buffer), bytes_(bytes) {}

  std::shared_ptr<Device> device_;
  BufferId buffer_;
  std::uint64_t bytes_;
};

}  // namespace gyre::device
