// The conformance suite on the CUDA backend with a GPU made of the host: kernels, passes and device
// are the ones that run on a GPU.
#include <memory>
#include <utility>

#include "backends/cuda/cuda_device.hpp"
#include "backends/device/device_backend.hpp"
#include "tests/conformance/backend_conformance.hpp"
#include "tests/support/emulated_gpu.hpp"

namespace gyre {
namespace {

BackendUnderTest with_limits(const char* name, const cuda::PassLimits& limits,
                             bool backwards = false) {
  return {.name = name,
          .make = [limits, backwards]() -> Result<std::unique_ptr<Backend>> {
            auto gpu = std::make_shared<EmulatedGpu>();
            gpu->faults.backwards = backwards;
            return std::make_unique<DeviceBackend>(
                std::make_shared<cuda::CudaDevice>(std::move(gpu), limits));
          },
          .expected_kernel = std::string(cuda::name_of(limits.route))};
}

INSTANTIATE_TEST_SUITE_P(
    EmulatedCuda, BackendConformance,
    testing::Values(with_limits("one_chunk", {}),
                    with_limits("many_chunks", {.selection_bytes = 1}),
                    with_limits("query_by_query", {.batch = 1}),
                    with_limits("threads_backwards", {}, true),
                    with_limits("tensor_bits", {.route = cuda::ScanRoute::tensor_bits}),
                    with_limits("tensor_bytes", {.route = cuda::ScanRoute::tensor_bytes}, true)),
    name_of);

}  // namespace
}  // namespace gyre
