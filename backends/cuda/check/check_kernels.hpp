// Kernels that only the check program needs.
#pragma once

#include <driver_types.h>

#include <cstdint>

namespace gyre::cuda {

// Words whose values are a hash of their number.
[[nodiscard]] cudaError_t fill_words(cudaStream_t stream, std::uint32_t* words,
                                     std::uint64_t count);

// Reads every word once and XORs them into *sum: as fast as a card can read. REQUIRES: whole 16
// bytes.
[[nodiscard]] cudaError_t sum_words(cudaStream_t stream, const std::uint32_t* words,
                                    std::uint64_t count, std::uint32_t* sum, unsigned blocks);

}  // namespace gyre::cuda
