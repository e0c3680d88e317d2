// Starting kernels, for code that nvcc does not compile.
#pragma once

#include <driver_types.h>

#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/mask_step.hpp"
#include "backends/cuda/scan_step.hpp"
#include "backends/cuda/sum_steps.hpp"
#include "backends/cuda/transfer_steps.hpp"

namespace gyre::cuda {

// Each gives a step to a stream and says what CUDA says of the launch; of the work itself the
// stream says later. A step of no blocks is none.
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const InsertStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const ExtractStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const ExpandStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const MaskStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const ScanTile& tile, const ScanWork& work);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const TailStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const OverlayStep& step);
[[nodiscard]] cudaError_t launch(cudaStream_t stream, const FinishStep& step);

}  // namespace gyre::cuda
