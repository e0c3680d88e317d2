// Expansion on any processor, in constant time: AES as a Boolean circuit over bit planes, eight
// blocks at once. A plane holds one bit of all 128 bytes of eight blocks: element c of the vector
// is column c of the AES state, byte r of it row r, bit j of that byte belongs to block j.
#include <array>
#include <cstring>

#include "core/dpf/fixed_keys.hpp"
#include "core/dpf/kernel_functions.hpp"
#include "core/dpf/tower_field.hpp"

namespace gyre::dpf::portable {
namespace {

constexpr std::size_t blocks_at_once = 8;

// A 128-bit vector in the compilers' portable notation; they make of it what the processor has.
using Plane = std::uint32_t __attribute__((vector_size(16)));
using State = ByteBits<Plane>;
using BlockGroup = std::array<Block, blocks_at_once>;

// Swaps the bits of `a` chosen by mask << shift with those of `b` chosen by mask.
inline void swap_bits(Plane& a, Plane& b, std::uint32_t mask, unsigned shift) noexcept {
  const Plane difference = ((a >> shift) ^ b) & mask;
  b ^= difference;
  a ^= difference << shift;
}

// Block index and bit index change places: an 8×8 bit transposition in every byte position at once.
// Its own inverse.
inline void transpose(State& s) noexcept {
  for (std::size_t i = 0; i < 8; i += 2) swap_bits(s[i], s[i + 1], 0x55555555, 1);
  for (const std::size_t i : {0U, 1U, 4U, 5U}) swap_bits(s[i], s[i + 2], 0x33333333, 2);
  for (std::size_t i = 0; i < 4; ++i) swap_bits(s[i], s[i + 4], 0x0F0F0F0F, 4);
}

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

constexpr KeyPlanes fixed_key_planes[3] = {to_key_planes(expand_aes_key(fixed_keys[0])),
                                           to_key_planes(expand_aes_key(fixed_keys[1])),
                                           to_key_planes(expand_aes_key(fixed_keys[2]))};

inline void add_round_key(State& state, const KeyPlanes& key, std::size_t round) noexcept {
  for (std::size_t bit = 0; bit < 8; ++bit) {
    Plane plane;
    std::memcpy(&plane, key.words[round][bit], sizeof(plane));
    state[bit] ^= plane;
  }
}

// Row r moves r columns to the left.
inline void shift_rows(State& state) noexcept {
  for (Plane& s : state) {
    const Plane by_one = __builtin_shufflevector(s, s, 1, 2, 3, 0);
    const Plane by_two = __builtin_shufflevector(s, s, 2, 3, 0, 1);
    const Plane by_three = __builtin_shufflevector(s, s, 3, 0, 1, 2);
    s = (s & 0x000000FFU) | (by_one & 0x0000FF00U) | (by_two & 0x00FF0000U) |
        (by_three & 0xFF000000U);
  }
}

// Row r takes the place of row r - 1 (or r - 2), within each column.
inline Plane rows_up_one(Plane s) noexcept {
  return (s >> 8) | (s << 24);
}
inline Plane rows_up_two(Plane s) noexcept {
  return (s >> 16) | (s << 16);
}

// 2 a_r + 3 a_(r+1) + a_(r+2) + a_(r+3), written as 2 (a_r + a_(r+1)) + a_(r+1) + (a_(r+2) +
// a_(r+3)).
inline void mix_columns(State& state) noexcept {
  State next;
  State sum;
  for (std::size_t bit = 0; bit < 8; ++bit) {
    next[bit] = rows_up_one(state[bit]);
    sum[bit] = state[bit] ^ next[bit];
  }
  // Doubling is a shift by one bit plane, the highest folded back by x⁸ = x⁴ + x³ + x + 1.
  const Plane carry = sum[7];
  const State doubled = {carry,          sum[0] ^ carry, sum[1], sum[2] ^ carry,
                         sum[3] ^ carry, sum[4],         sum[5], sum[6]};
  for (std::size_t bit = 0; bit < 8; ++bit) {
    state[bit] = doubled[bit] ^ next[bit] ^ rows_up_two(sum[bit]);
  }
}

void encrypt(State& state, const KeyPlanes& key) noexcept {
  add_round_key(state, key, 0);
  for (std::size_t round = 1; round < 10; ++round) {
    state = sub_bytes(state);
    shift_rows(state);
    mix_columns(state);
    add_round_key(state, key, round);
  }
  state = sub_bytes(state);
  shift_rows(state);
  add_round_key(state, key, 10);
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
  encrypt(state, fixed_key_planes[static_cast<std::size_t>(key)]);
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
