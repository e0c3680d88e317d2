// Adding one answer to another.
#pragma once

#include <cstdint>

#include "backends/cpu/xor_masked.hpp"

namespace gyre::cpu {

// answer[i] ^= more[i] for every i < bytes. By words, as there: a loop over bytes, which compilers
// leave as it is, was much of what adding sums to answers took.
inline void xor_into(std::uint8_t* answer, const std::uint8_t* more, std::uint64_t bytes) noexcept {
  xor_masked(answer, more, bytes, 0xff);
}

}  // namespace gyre::cpu
