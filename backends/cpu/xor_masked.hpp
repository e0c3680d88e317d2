// Adding what an overlay changes in a row to an answer, or not, in the same time.
#pragma once

#include <cstdint>
#include <cstring>

namespace gyre::cpu {

// row ^= difference & mask, the mask being all ones or none. By words: rows are short, and byte
// loops of no fixed length are not made into vectors for so few.
inline void xor_masked(std::uint8_t* row, const std::uint8_t* difference, std::uint64_t bytes,
                       std::uint8_t mask) noexcept {
  const std::uint64_t word_mask = 0U - std::uint64_t{mask & 1U};
  std::uint64_t at = 0;
  for (; at + sizeof(std::uint64_t) <= bytes; at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::uint64_t change = 0;
    std::memcpy(&word, row + at, sizeof word);
    std::memcpy(&change, difference + at, sizeof change);
    word ^= change & word_mask;
    std::memcpy(row + at, &word, sizeof word);
  }
  for (; at < bytes; ++at) row[at] = static_cast<std::uint8_t>(row[at] ^ (difference[at] & mask));
}

}  // namespace gyre::cpu
