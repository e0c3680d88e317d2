// The scan steps that there are, by their tiles.
#pragma once

#include "backends/cuda/scan_step.hpp"
#include "backends/cuda/scan_work.hpp"
#include "backends/cuda/tensor_step.hpp"

namespace gyre::cuda {

// Calls run() with the step for the tile and returns what that returns. REQUIRES: a tile that
// tile_for() gives.
template <typename Run>
auto with_scan_step(const ScanTile& tile, const ScanWork& work, const Run& run) {
  if (tile.route == ScanRoute::tensor_bits) {
    if (tile.queries == 32) return run(TensorStep<BitElements, 4>{work});
    return run(TensorStep<BitElements, 16>{work});
  }
  if (tile.route == ScanRoute::tensor_bytes) {
    if (tile.queries == 32) return run(TensorStep<ByteElements, 4>{work});
    return run(TensorStep<ByteElements, 16>{work});
  }
  if (tile == ScanTile{4, 8, 1}) return run(ScanStep<4, 8, 1>{work});
  if (tile == ScanTile{1, 8, 1}) return run(ScanStep<1, 8, 1>{work});
  if (tile == ScanTile{4, 4, 8}) return run(ScanStep<4, 4, 8>{work});
  if (tile == ScanTile{1, 16, 8}) return run(ScanStep<1, 16, 8>{work});
  return run(ScanStep<4, 1, 32>{work});
}

}  // namespace gyre::cuda
