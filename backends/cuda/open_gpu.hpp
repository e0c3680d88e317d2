// The GPU of this machine.
#pragma once

#include <memory>

#include "backends/cuda/gpu.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// The first GPU that CUDA shows this process (CUDA_VISIBLE_DEVICES says which those are). Errors:
// bad_configuration if this build is without CUDA, or there is no GPU, driver, or one too old;
// device_failed.
[[nodiscard]] Result<std::shared_ptr<Gpu>> open_gpu();

}  // namespace gyre::cuda
