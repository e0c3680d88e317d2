// The kernels: one for every kind of step, each nothing but its block function.
#include <cuda_runtime.h>

#include "backends/cuda/device_crew.cuh"
#include "backends/cuda/launch.hpp"

namespace gyre::cuda {
namespace {

// A grid's width is 32 bits; the rest of a step's blocks are rows of the grid.
constexpr std::uint64_t widest_grid = 0x7FFFFFFF;

template <typename Step>
__global__ void __launch_bounds__(Step::threads, Step::blocks_at_once)
    run_step(const __grid_constant__ Step step) {
  DeviceCrew crew;
  const std::uint64_t block = blockIdx.y * widest_grid + blockIdx.x;
  if (block < step.blocks()) step.run_block(block, crew);
}

template <typename Step>
cudaError_t launch_step(cudaStream_t stream, const Step& step) {
  const std::uint64_t blocks = step.blocks();
  if (blocks == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(blocks < widest_grid ? blocks : widest_grid),
                  static_cast<unsigned>((blocks + widest_grid - 1) / widest_grid));
  run_step<<<grid, Step::threads, step.shared_bytes(), stream>>>(step);
  return cudaGetLastError();
}

}  // namespace

cudaError_t launch(cudaStream_t stream, const InsertStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const ExtractStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const ExpandStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const MaskStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const ScanTile& tile, const ScanWork& work) {
  return with_scan_step(tile, work, [&](const auto& step) { return launch_step(stream, step); });
}
cudaError_t launch(cudaStream_t stream, const TailStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const OverlayStep& step) {
  return launch_step(stream, step);
}
cudaError_t launch(cudaStream_t stream, const FinishStep& step) {
  return launch_step(stream, step);
}

}  // namespace gyre::cuda
