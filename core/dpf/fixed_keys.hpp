// The construction's three fixed AES keys and their schedules, computed at compile time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/dpf/block.hpp"
#include "core/dpf/tower_field.hpp"

namespace gyre::dpf {

// In the order of FixedKey; a key's bytes are the block's memory, the low half first.
inline constexpr std::array<Block, 3> fixed_keys = {{
    {.low = 0x935f08d0a5b6a2fd, .high = 0x5be037ccf6a03de5},
    {.low = 0xe2ea1fe0f66f4d0b, .high = 0xef94b6aedebb026c},
    {.low = 0x46a31101b21d1c98, .high = 0x05a5d1588c5423e3},
}};

// AES-128 key expansion (FIPS 197, section 5.2): round keys 0 … 10. Words are little-endian, so
// that the standard's RotWord is a rotation to the right.
constexpr std::array<Block, 11> expand_aes_key(const Block& key) noexcept {
  std::array<std::uint32_t, 44> words{};
  words[0] = static_cast<std::uint32_t>(key.low);
  words[1] = static_cast<std::uint32_t>(key.low >> 32U);
  words[2] = static_cast<std::uint32_t>(key.high);
  words[3] = static_cast<std::uint32_t>(key.high >> 32U);
  std::uint32_t round_constant = 1;
  for (std::size_t i = 4; i < words.size(); ++i) {
    std::uint32_t word = words[i - 1];
    if (i % 4 == 0) {
      const std::uint32_t rotated = (word >> 8U) | (word << 24U);
      word = round_constant;
      for (unsigned shift = 0; shift < 32; shift += 8) {
        word ^= substitute_byte((rotated >> shift) & 0xFFU) << shift;
      }
      round_constant = (round_constant << 1U) ^ (round_constant >= 0x80 ? 0x11BU : 0U);
    }
    words[i] = words[i - 4] ^ word;
  }
  std::array<Block, 11> round_keys{};
  for (std::size_t i = 0; i < round_keys.size(); ++i) {
    round_keys[i] = {.low = words[4 * i] | (std::uint64_t{words[4 * i + 1]} << 32U),
                     .high = words[4 * i + 2] | (std::uint64_t{words[4 * i + 3]} << 32U)};
  }
  return round_keys;
}

}  // namespace gyre::dpf
