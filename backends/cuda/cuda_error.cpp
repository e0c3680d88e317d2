#include "backends/cuda/cuda_error.hpp"

#include <cuda_runtime_api.h>

#include <string>

namespace gyre::cuda {

Result<void> result_of(cudaError_t error) {
  if (error == cudaSuccess) return {};
  static_cast<void>(cudaGetLastError());
  if (error == cudaErrorMemoryAllocation) {
    return fail(ErrorCode::device_out_of_memory, "the GPU has no room for that now");
  }
  return fail(ErrorCode::device_failed,
              std::string("the GPU did not do what it was asked: ") + cudaGetErrorName(error));
}

}  // namespace gyre::cuda
