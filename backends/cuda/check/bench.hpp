// What a card can do and how near the backend comes.
#pragma once

#include <memory>

#include "backends/cuda/gpu.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// Writes one JSON object a line to standard output, the ceilings of the card first. Sizes for which
// the card has no room are left out and say so; nothing new is begun after that many seconds.
[[nodiscard]] Result<void> run_benchmarks(const std::shared_ptr<Gpu>& gpu, double seconds);

}  // namespace gyre::cuda
