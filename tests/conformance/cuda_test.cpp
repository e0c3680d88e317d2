#include <memory>

#include "backends/cuda/cuda_device.hpp"
#include "backends/cuda/open_gpu.hpp"
#include "backends/device/device_backend.hpp"
#include "tests/conformance/backend_conformance.hpp"

namespace gyre {
namespace {

BackendUnderTest on_gpu(const char* name, const cuda::PassLimits& limits) {
  const auto gpu = cuda::open_gpu();
  return {
      .name = name,
      .make = [gpu, limits]() -> Result<std::unique_ptr<Backend>> {
        return std::make_unique<DeviceBackend>(std::make_shared<cuda::CudaDevice>(*gpu, limits));
      },
      .expected_kernel = std::string(cuda::name_of(limits.route)),
      .skipped_because = gpu ? "" : gpu.error().message};
}

INSTANTIATE_TEST_SUITE_P(
    Cuda, BackendConformance,
    testing::Values(on_gpu("one_chunk", {}), on_gpu("many_chunks", {.selection_bytes = 1}),
                    on_gpu("tensor_bits", {.route = cuda::ScanRoute::tensor_bits}),
                    on_gpu("tensor_bytes", {.route = cuda::ScanRoute::tensor_bytes})),
    name_of);

}  // namespace
}  // namespace gyre
