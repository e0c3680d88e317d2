// Expansion on any processor, in constant time: the Boolean circuit of bitsliced_aes.hpp with
// planes of 128-bit vectors.
#include <array>
#include <cstring>

#include "core/dpf/bitsliced_aes.hpp"
#include "core/dpf/kernel_functions.hpp"
#include "core/dpf/tower_field.hpp"

namespace gyre::dpf::portable {
namespace {

using bitsliced::blocks_at_once;
using bitsliced::transpose;

// A 128-bit vector in the compilers' portable notation; they make of it what the processor has.
using Plane = std::uint32_t __attribute__((vector_size(16)));
using State = ByteBits<Plane>;
using BlockGroup = std::array<Block, blocks_at_once>;

struct PlaneOps {
  using Plane = portable::Plane;

  static void add_key(Plane& plane, const std::uint32_t (&words)[4]) noexcept {
    Plane key;
    std::memcpy(&key, words, sizeof(key));
    plane ^= key;
  }
  static void shift_rows(Plane& s) noexcept {
    const Plane by_one = __builtin_shufflevector(s, s, 1, 2, 3, 0);
    const Plane by_two = __builtin_shufflevector(s, s, 2, 3, 0, 1);
    const Plane by_three = __builtin_shufflevector(s, s, 3, 0, 1, 2);
    s = (s & 0x000000FFU) | (by_one & 0x0000FF00U) | (by_two & 0x00FF0000U) |
        (by_three & 0xFF000000U);
  }
  static void sub_bytes(State& state) noexcept { state = dpf::sub_bytes(state); }
};

inline State to_planes(const BlockGroup& blocks) noexcept {
  static_assert(sizeof(State) == sizeof(BlockGroup));
  State state;
  std::memcpy(state.data(), blocks.data(), sizeof(state));
  transpose(state);
  return state;
}

inline BlockGroup to_blocks(State state) noexcept {
  transpose(state);
  BlockGroup blocks;
  std::memcpy(static_cast<void*>(blocks.data()), state.data(), sizeof(blocks));
  return blocks;
}

inline Block sigma(const Block& x) noexcept {
  return {.low = x.high, .high = x.high ^ x.low};
}

inline Block seed_of(const Block& node) noexcept {
  return {.low = node.low & ~std::uint64_t{1}, .high = node.high};
}

// The block if the node's control bit is set, else zero.
inline Block if_controlled(const Block& node, const Block& block) noexcept {
  const std::uint64_t mask = std::uint64_t{0} - (node.low & 1U);
  return block & Block{.low = mask, .high = mask};
}

// AES_key(x) ^ x of each block.
inline BlockGroup encrypt_and_add(FixedKey key, const BlockGroup& blocks) noexcept {
  State state = to_planes(blocks);
  const State before = state;
  bitsliced::encrypt<PlaneOps>(state, bitsliced::fixed_key_planes[static_cast<std::size_t>(key)]);
  for (std::size_t bit = 0; bit < 8; ++bit) state[bit] ^= before[bit];
  return to_blocks(state);
}

// Calls work(first, n) for groups of at most eight.
template <typename Work>
inline void for_each_group(std::size_t count, const Work& work) noexcept {
  for (std::size_t first = 0; first < count; first += blocks_at_once) {
    const std::size_t left = count - first;
    work(first, left < blocks_at_once ? left : blocks_at_once);
  }
}

}  // namespace

void hash(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept {
  for_each_group(count, [&](std::size_t first, std::size_t n) {
    BlockGroup group{};
    for (std::size_t i = 0; i < n; ++i) group[i] = sigma(in[first + i]);
    const BlockGroup hashes = encrypt_and_add(key, group);
    for (std::size_t i = 0; i < n; ++i) out[first + i] = hashes[i];
  });
}

void expand_level(const Block* parents, std::size_t count, const ChildCorrections& corrections,
                  Block* children) noexcept {
  for_each_group(count, [&](std::size_t first, std::size_t n) {
    BlockGroup group{};
    for (std::size_t i = 0; i < n; ++i) group[i] = sigma(seed_of(parents[first + i]));
    const BlockGroup left = encrypt_and_add(FixedKey::left, group);
    const BlockGroup right = encrypt_and_add(FixedKey::right, group);
    for (std::size_t i = 0; i < n; ++i) {
      const Block& parent = parents[first + i];
      children[2 * (first + i)] = left[i] ^ if_controlled(parent, corrections.left);
      children[2 * (first + i) + 1] = right[i] ^ if_controlled(parent, corrections.right);
    }
  });
}

void finish_leaves(const Block* nodes, std::size_t count, const Block& value_correction,
                   Block* leaves) noexcept {
  for_each_group(count, [&](std::size_t first, std::size_t n) {
    BlockGroup group{};
    for (std::size_t i = 0; i < n; ++i) group[i] = sigma(seed_of(nodes[first + i]));
    const BlockGroup hashes = encrypt_and_add(FixedKey::value, group);
    for (std::size_t i = 0; i < n; ++i) {
      leaves[first + i] = hashes[i] ^ if_controlled(nodes[first + i], value_correction);
    }
  });
}

}  // namespace gyre::dpf::portable
