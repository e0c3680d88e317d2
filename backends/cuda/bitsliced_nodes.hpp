// Hashes of eight nodes of a DPF tree at once, in one thread.
//
// The AES of the hash is a Boolean circuit over registers (core/dpf/bitsliced_aes.hpp): no table,
// so no address and no bank of shared memory depends on a key, and no branch either. The time a
// kernel takes is then a function of the shapes alone, as on the CPU.
#pragma once

#include <cstdint>

#include "backends/cuda/on_device.hpp"
#include "core/dpf/bitsliced_aes.hpp"
#include "core/dpf/block.hpp"

namespace gyre::cuda {

// Four columns of an AES state, one bit of eight blocks.
struct Plane {
  std::uint32_t column[4];

  friend constexpr Plane operator^(const Plane& a, const Plane& b) noexcept {
    return {{a.column[0] ^ b.column[0], a.column[1] ^ b.column[1], a.column[2] ^ b.column[2],
             a.column[3] ^ b.column[3]}};
  }
  constexpr Plane& operator^=(const Plane& other) noexcept { return *this = *this ^ other; }
  friend constexpr Plane operator|(const Plane& a, const Plane& b) noexcept {
    return {{a.column[0] | b.column[0], a.column[1] | b.column[1], a.column[2] | b.column[2],
             a.column[3] | b.column[3]}};
  }
  friend constexpr Plane operator&(const Plane& a, std::uint32_t mask) noexcept {
    return {{a.column[0] & mask, a.column[1] & mask, a.column[2] & mask, a.column[3] & mask}};
  }
  friend constexpr Plane operator>>(const Plane& a, unsigned shift) noexcept {
    return {
        {a.column[0] >> shift, a.column[1] >> shift, a.column[2] >> shift, a.column[3] >> shift}};
  }
  friend constexpr Plane operator<<(const Plane& a, unsigned shift) noexcept {
    return {
        {a.column[0] << shift, a.column[1] << shift, a.column[2] << shift, a.column[3] << shift}};
  }
};

struct PlaneOps {
  using Plane = cuda::Plane;

  static constexpr void add_key(Plane& plane, const std::uint32_t (&words)[4]) noexcept {
    GYRE_UNROLL
    for (unsigned c = 0; c < 4; ++c) plane.column[c] ^= words[c];
  }
  static constexpr void shift_rows(Plane& plane) noexcept {
    const Plane s = plane;
    GYRE_UNROLL
    for (unsigned c = 0; c < 4; ++c) {
      plane.column[c] = (s.column[c] & 0x000000FFU) | (s.column[(c + 1) % 4] & 0x0000FF00U) |
                        (s.column[(c + 2) % 4] & 0x00FF0000U) |
                        (s.column[(c + 3) % 4] & 0xFF000000U);
    }
  }
  // Column by column: fewer values are alive at once, so they stay in registers.
  static constexpr void sub_bytes(dpf::ByteBits<Plane>& state) noexcept {
    GYRE_UNROLL
    for (unsigned c = 0; c < 4; ++c) {
      dpf::ByteBits<std::uint32_t> bits{};
      GYRE_UNROLL
      for (unsigned i = 0; i < 8; ++i) bits[i] = state[i].column[c];
      bits = dpf::sub_bytes(bits);
      GYRE_UNROLL
      for (unsigned i = 0; i < 8; ++i) state[i].column[c] = bits[i];
    }
  }
};

// A node is its seed with the control bit in the lowest bit, as in core/dpf/expansion_kernel.hpp.
// Writes H_key(seed of nodes[i]) ^ (correction if the control bit of nodes[i] is set) for i <
// count; count from 1 to 8. out(i) says where to. No branch on what a node holds.
template <typename Out>
GYRE_ON_DEVICE inline void hash_nodes(const dpf::bitsliced::KeyPlanes& key,
                                      const dpf::Block& correction, const dpf::Block* nodes,
                                      unsigned count, const Out& out) {
  dpf::ByteBits<Plane> state{};
  GYRE_UNROLL
  for (unsigned i = 0; i < 8; ++i) {
    const dpf::Block node = nodes[i < count ? i : 0];
    const std::uint64_t seed_low = node.low & ~std::uint64_t{1};
    const std::uint64_t sigma_high = node.high ^ seed_low;
    state[i] = Plane{
        {static_cast<std::uint32_t>(node.high), static_cast<std::uint32_t>(node.high >> 32U),
         static_cast<std::uint32_t>(sigma_high), static_cast<std::uint32_t>(sigma_high >> 32U)}};
  }
  dpf::bitsliced::transpose(state);
  dpf::bitsliced::encrypt<PlaneOps>(state, key);
  dpf::bitsliced::transpose(state);
  GYRE_UNROLL
  for (unsigned i = 0; i < 8; ++i) {
    // σ again: cheaper to make twice than to keep.
    const dpf::Block node = nodes[i < count ? i : 0];
    const std::uint64_t seed_low = node.low & ~std::uint64_t{1};
    const std::uint64_t mask = std::uint64_t{0} - (node.low & 1U);
    const std::uint64_t hash_low = state[i].column[0] | (std::uint64_t{state[i].column[1]} << 32U);
    const std::uint64_t hash_high = state[i].column[2] | (std::uint64_t{state[i].column[3]} << 32U);
    const dpf::Block hash = {hash_low ^ node.high ^ (correction.low & mask),
                             hash_high ^ node.high ^ seed_low ^ (correction.high & mask)};
    if (i < count) *out(i) = hash;
  }
}

}  // namespace gyre::cuda
