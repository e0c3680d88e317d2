// Adding one answer to another.
#pragma once

#include <cstdint>

namespace gyre::cpu {

inline void xor_into(std::uint8_t* answer, const std::uint8_t* more, std::uint64_t bytes) noexcept {
  for (std::uint64_t i = 0; i < bytes; ++i) {
    answer[i] = static_cast<std::uint8_t>(answer[i] ^ more[i]);
  }
}

}  // namespace gyre::cpu
