// The construction once more, in the plainest form, and variants of it that are broken on purpose:
// what the distinguisher battery is tried on. Branches on secrets, one node at a time; for tests
// only.
#pragma once

#include <array>
#include <cstdint>

#include "core/dpf/kernel_functions.hpp"
#include "core/dpf/key.hpp"
#include "core/random_source.hpp"

namespace gyre::dpf {

struct Node {
  Block seed;
  bool control = false;
};

// What the client's generator and the server's evaluation agree on.
struct Construction {
  Block (*hash)(FixedKey key, const Block& x);
  // Whether the bit of a child's seed that becomes its control bit is cleared in the seed.
  bool clears_control_bit = true;

  // Left and right child before any correction.
  [[nodiscard]] std::array<Node, 2> raw_children(const Block& seed) const;

  [[nodiscard]] std::array<Node, 2> children(const Node& parent,
                                             const LevelCorrection& correction) const;

  // The leaf's selection bits, from its node.
  [[nodiscard]] Block selection(const Node& leaf, const Block& value_correction) const;

  // The same, from the root. REQUIRES: leaf < 2^key.levels.size().
  [[nodiscard]] Block leaf(const Key& key, std::uint64_t leaf) const;

  // REQUIRES: index < 128 * 2^levels.
  [[nodiscard]] Result<std::array<Key, 2>> generate(unsigned levels, std::uint64_t index,
                                                    RandomSource& random) const;
};

// The one of docs/formats.md.
[[nodiscard]] Construction documented_construction();

// The control bit stays in the seed. Keys still work.
[[nodiscard]] Construction control_bit_left_in_seed();

// H_right = H_left ^ a constant. Keys still work.
[[nodiscard]] Construction right_side_is_left_side_plus_constant();

// H_right = H_left: one key for both sides, as a typing error would have it. Keys still work.
[[nodiscard]] Construction one_key_for_both_sides();

}  // namespace gyre::dpf
