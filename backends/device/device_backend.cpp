#include "backends/device/device_backend.hpp"

#include "backends/device/device_staging.hpp"

namespace gyre {

Result<std::unique_ptr<Staging>> DeviceBackend::stage(const Geometry& geometry) {
  return device::DeviceStaging::create(device_, geometry);
}

}  // namespace gyre
