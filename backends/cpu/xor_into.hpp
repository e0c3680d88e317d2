// Adding one answer to another.
#pragma once

#include <cstdint>
#include <cstring>

namespace gyre::cpu {

// answer[i] ^= more[i] for every i < bytes. By words: compilers leave a loop over bytes as it is
// where they are not asked for more, and that is what much of adding sums to answers took.
inline void xor_into(std::uint8_t* answer, const std::uint8_t* more, std::uint64_t bytes) noexcept {
  std::uint64_t at = 0;
  for (; at + sizeof(std::uint64_t) <= bytes; at += sizeof(std::uint64_t)) {
    std::uint64_t sum = 0;
    std::uint64_t word = 0;
    std::memcpy(&sum, answer + at, sizeof sum);
    std::memcpy(&word, more + at, sizeof word);
    sum ^= word;
    std::memcpy(answer + at, &sum, sizeof sum);
  }
  for (; at < bytes; ++at) answer[at] = static_cast<std::uint8_t>(answer[at] ^ more[at]);
}

}  // namespace gyre::cpu
