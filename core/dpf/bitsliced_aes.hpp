// AES-128 as a Boolean circuit over bit planes, eight blocks at once: no tables, no branches. What
// the portable expansion kernel and the CUDA backend's share; each brings its kind of plane.
//
// A plane holds one bit of all 128 bytes of eight blocks: its word c is column c of the AES state,
// byte r of that word row r, bit j of that byte belongs to block j.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/dpf/block.hpp"
#include "core/dpf/fixed_keys.hpp"
#include "core/dpf/tower_field.hpp"
#include "core/unroll.hpp"

namespace gyre::dpf::bitsliced {

inline constexpr std::size_t blocks_at_once = 8;

// Round keys as planes, every block the same, with the S-box's constant added to all but the first:
// ShiftRows and MixColumns leave a state of equal bytes as it is, so the constant may be added
// after them.
struct KeyPlanes {
  std::uint32_t words[11][8][4];
};

constexpr KeyPlanes to_key_planes(const std::array<Block, 11>& round_keys) noexcept {
  KeyPlanes planes{};
  for (std::size_t round = 0; round < 11; ++round) {
    for (std::size_t byte = 0; byte < 16; ++byte) {
      const std::uint64_t half = byte < 8 ? round_keys[round].low : round_keys[round].high;
      std::uint64_t value = (half >> (byte % 8 * 8)) & 0xFFU;
      if (round != 0) value ^= sub_bytes_constant;
      for (std::size_t bit = 0; bit < 8; ++bit) {
        const std::uint32_t all_blocks = ((value >> bit) & 1U) != 0 ? 0xFFU : 0U;
        planes.words[round][bit][byte / 4] |= all_blocks << (byte % 4 * 8);
      }
    }
  }
  return planes;
}

// Of the three fixed keys, in the order of FixedKey.
inline constexpr KeyPlanes fixed_key_planes[3] = {to_key_planes(expand_aes_key(fixed_keys[0])),
                                                  to_key_planes(expand_aes_key(fixed_keys[1])),
                                                  to_key_planes(expand_aes_key(fixed_keys[2]))};

// Swaps the bits of `a` chosen by mask << shift with those of `b` chosen by mask.
template <typename Plane>
constexpr void swap_bits(Plane& a, Plane& b, std::uint32_t mask, unsigned shift) noexcept {
  const Plane difference = ((a >> shift) ^ b) & mask;
  b ^= difference;
  a ^= difference << shift;
}

// Block index and bit index change places: an 8×8 bit transposition in every byte position at once.
// Its own inverse. Eight blocks in memory order, one a plane, become bit planes.
template <typename Plane>
constexpr void transpose(ByteBits<Plane>& s) noexcept {
  GYRE_UNROLL
  for (std::size_t i = 0; i < 8; i += 2) swap_bits(s[i], s[i + 1], 0x55555555, 1);
  GYRE_UNROLL
  for (std::size_t i = 0; i < 2; ++i) {
    swap_bits(s[i], s[i + 2], 0x33333333, 2);
    swap_bits(s[i + 4], s[i + 6], 0x33333333, 2);
  }
  GYRE_UNROLL
  for (std::size_t i = 0; i < 4; ++i) swap_bits(s[i], s[i + 4], 0x0F0F0F0F, 4);
}

// Row r takes the place of row r - 1 (or r - 2), within each column.
template <typename Plane>
constexpr Plane rows_up_one(const Plane& s) noexcept {
  return (s >> 8U) | (s << 24U);
}
template <typename Plane>
constexpr Plane rows_up_two(const Plane& s) noexcept {
  return (s >> 16U) | (s << 16U);
}

// 2 a_r + 3 a_(r+1) + a_(r+2) + a_(r+3), written as 2 (a_r + a_(r+1)) + a_(r+1) + (a_(r+2) +
// a_(r+3)).
template <typename Plane>
constexpr void mix_columns(ByteBits<Plane>& state) noexcept {
  ByteBits<Plane> next{};
  ByteBits<Plane> sum{};
  GYRE_UNROLL
  for (std::size_t bit = 0; bit < 8; ++bit) {
    next[bit] = rows_up_one(state[bit]);
    sum[bit] = state[bit] ^ next[bit];
  }
  // Doubling is a shift by one bit plane, the highest folded back by x⁸ = x⁴ + x³ + x + 1.
  const Plane carry = sum[7];
  const ByteBits<Plane> doubled = {carry,          sum[0] ^ carry, sum[1], sum[2] ^ carry,
                                   sum[3] ^ carry, sum[4],         sum[5], sum[6]};
  GYRE_UNROLL
  for (std::size_t bit = 0; bit < 8; ++bit) {
    state[bit] = doubled[bit] ^ next[bit] ^ rows_up_two(sum[bit]);
  }
}

// Eight blocks under one key. Ops has the type Plane and, as static functions,
//   add_key(Plane&, const std::uint32_t (&)[4])   adds four words,
//   shift_rows(Plane&)                            moves row r by r columns to the left,
//   sub_bytes(ByteBits<Plane>&)                   dpf::sub_bytes(), in pieces that suit it.
template <typename Ops>
constexpr void encrypt(ByteBits<typename Ops::Plane>& state, const KeyPlanes& key) noexcept {
  const auto add_round_key = [&](std::size_t round) {
    GYRE_UNROLL
    for (std::size_t bit = 0; bit < 8; ++bit) Ops::add_key(state[bit], key.words[round][bit]);
  };
  const auto shift_all = [&] {
    GYRE_UNROLL
    for (std::size_t bit = 0; bit < 8; ++bit) Ops::shift_rows(state[bit]);
  };
  add_round_key(0);
  for (std::size_t round = 1; round < 10; ++round) {
    Ops::sub_bytes(state);
    shift_all();
    mix_columns(state);
    add_round_key(round);
  }
  Ops::sub_bytes(state);
  shift_all();
  add_round_key(10);
}

}  // namespace gyre::dpf::bitsliced
