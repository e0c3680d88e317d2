// A simulated device that can be told to fail, and the backend on it.
#pragma once

#include <memory>

#include "backends/device/device_backend.hpp"
#include "backends/device/simulated_device.hpp"
#include "tests/support/faulty_device.hpp"

namespace gyre {

struct TestDevice {
  explicit TestDevice(std::uint64_t capacity_bytes = std::uint64_t{64} << 20U)
      : device(std::make_shared<FaultyDevice>(std::make_shared<device::SimulatedDevice>(
            device::SimulatedDeviceOptions{.capacity_bytes = capacity_bytes}))),
        backend(device) {}

  [[nodiscard]] std::uint64_t used() const { return device->used_bytes(); }

  const std::shared_ptr<FaultyDevice> device;
  DeviceBackend backend;
};

}  // namespace gyre
