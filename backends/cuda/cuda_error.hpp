// Where CUDA's errors become Error, and nowhere else.
#pragma once

#include <driver_types.h>

#include "core/error.hpp"

namespace gyre::cuda {

// Nothing, or device_out_of_memory where CUDA says that memory ran out, device_failed for anything
// else. An error that is not the device's end is taken back, so that the next call is not blamed.
[[nodiscard]] Result<void> result_of(cudaError_t error);

}  // namespace gyre::cuda
