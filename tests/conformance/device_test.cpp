#include <memory>

#include "backends/device/device_backend.hpp"
#include "backends/device/simulated_device.hpp"
#include "tests/conformance/backend_conformance.hpp"

namespace gyre {
namespace {

INSTANTIATE_TEST_SUITE_P(Device, BackendConformance,
                         testing::Values(BackendUnderTest{
                             .name = "simulated",
                             .make = []() -> Result<std::unique_ptr<Backend>> {
                               return std::make_unique<DeviceBackend>(
                                   std::make_shared<device::SimulatedDevice>(
                                       device::SimulatedDeviceOptions{}));
                             },
                             .expected_kernel = "scalar"}),
                         name_of);

}  // namespace
}  // namespace gyre
