// The 128-bit block that seeds, corrections and leaves are made of.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gyre::dpf {

// In memory: little-endian, the low half first. Written for people as (high, low).
struct alignas(16) Block {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  friend constexpr Block operator^(Block a, Block b) noexcept {
    return {a.low ^ b.low, a.high ^ b.high};
  }
  friend constexpr Block operator&(Block a, Block b) noexcept {
    return {a.low & b.low, a.high & b.high};
  }
  friend constexpr bool operator==(const Block&, const Block&) = default;
};
static_assert(sizeof(Block) == 16);

// Selection bits a leaf yields: bit i of leaf b selects record 128 * b + i.
inline constexpr std::uint64_t bits_per_leaf = 128;

}  // namespace gyre::dpf
