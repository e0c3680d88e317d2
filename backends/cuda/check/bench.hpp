// What a card can do and how near the backend comes.
#pragma once

#include <cstdint>
#include <memory>

#include "backends/cuda/gpu.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// `first` is what says most: expansion alone, a page query and 128 of them over 64 GiB, row queries
// over as much. `rest` is all else: smaller tables, other batches, uploads.
enum class BenchPart : std::uint8_t { first, rest };

// Writes one JSON object a line to standard output, the ceilings of the card first. Sizes for which
// the card has no room are left out, or made smaller, and say so; nothing new is begun after that
// many seconds.
[[nodiscard]] Result<void> run_benchmarks(const std::shared_ptr<Gpu>& gpu, BenchPart part,
                                          double seconds);

}  // namespace gyre::cuda
