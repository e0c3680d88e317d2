#include "tests/property/dpf_construction.hpp"

#include <span>

#include "core/dpf/expansion_kernel.hpp"

namespace gyre::dpf {
namespace {

Block documented_hash(FixedKey key, const Block& x) {
  Block out;
  best_expansion_kernel().hash(key, &x, &out, 1);
  return out;
}

Block hash_with_constant(FixedKey key, const Block& x) {
  if (key != FixedKey::right) return documented_hash(key, x);
  return documented_hash(FixedKey::left, x) ^
         Block { .low = 0x1234567890abcdef, .high = 0xfedcba0987654321 };
}

Block hash_with_one_key(FixedKey key, const Block& x) {
  return documented_hash(key == FixedKey::right ? FixedKey::left : key, x);
}

bool control_correction(const LevelCorrection& correction, std::size_t side) {
  return ((correction.control >> side) & 1U) != 0;
}

Node corrected(Node child, const LevelCorrection& correction, std::size_t side) {
  child.seed = child.seed ^ correction.seed;
  child.control = child.control != control_correction(correction, side);
  return child;
}

}  // namespace

std::array<Node, 2> Construction::raw_children(const Block& seed) const {
  std::array<Node, 2> nodes;
  for (std::size_t side = 0; side < 2; ++side) {
    nodes[side].seed = hash(side == 0 ? FixedKey::left : FixedKey::right, seed);
    nodes[side].control = (nodes[side].seed.low & 1U) != 0;
    if (clears_control_bit) nodes[side].seed.low &= ~std::uint64_t{1};
  }
  return nodes;
}

std::array<Node, 2> Construction::children(const Node& parent,
                                           const LevelCorrection& correction) const {
  std::array<Node, 2> nodes = raw_children(parent.seed);
  if (parent.control) {
    for (std::size_t side = 0; side < 2; ++side) {
      nodes[side] = corrected(nodes[side], correction, side);
    }
  }
  return nodes;
}

Block Construction::selection(const Node& leaf, const Block& value_correction) const {
  const Block value = hash(FixedKey::value, leaf.seed);
  return leaf.control ? value ^ value_correction : value;
}

Block Construction::leaf(const Key& key, std::uint64_t leaf) const {
  Node node{.seed = key.seed, .control = key.party == 1};
  for (std::size_t level = 0; level < key.levels.size(); ++level) {
    const std::size_t side = (leaf >> (key.levels.size() - 1 - level)) & 1U;
    node = children(node, key.levels[level])[side];
  }
  return selection(node, key.value_correction);
}

Result<std::array<Key, 2>> Construction::generate(unsigned levels, std::uint64_t index,
                                                  RandomSource& random) const {
  std::array<Block, 2> seeds;
  if (Result<void> filled = random.fill(std::as_writable_bytes(std::span(seeds))); !filled) {
    return forward_error(filled);
  }
  std::array<Key, 2> keys;
  std::array<Node, 2> path;
  for (std::uint8_t party = 0; party < 2; ++party) {
    keys[party].party = party;
    keys[party].seed = seeds[party];
    path[party] = {.seed = seeds[party], .control = party == 1};
  }
  for (unsigned level = 0; level < levels; ++level) {
    const std::size_t kept = (index >> (7 + levels - 1 - level)) & 1U;
    const std::size_t lost = 1 - kept;
    const std::array<Node, 2> first = raw_children(path[0].seed);
    const std::array<Node, 2> second = raw_children(path[1].seed);
    LevelCorrection correction{.seed = first[lost].seed ^ second[lost].seed};
    for (std::size_t side = 0; side < 2; ++side) {
      const bool differ = first[side].control != second[side].control;
      if (differ != (side == kept)) {
        correction.control = static_cast<std::uint8_t>(correction.control | (1U << side));
      }
    }
    for (std::size_t party = 0; party < 2; ++party) {
      path[party] = children(path[party], correction)[kept];
      keys[party].levels.push_back(correction);
    }
  }
  Block unit;
  (index % 128 < 64 ? unit.low : unit.high) = std::uint64_t{1} << (index % 64);
  for (Key& key : keys) {
    key.value_correction =
        hash(FixedKey::value, path[0].seed) ^ hash(FixedKey::value, path[1].seed) ^ unit;
  }
  return keys;
}

Construction documented_construction() {
  return {.hash = documented_hash};
}

Construction control_bit_left_in_seed() {
  return {.hash = documented_hash, .clears_control_bit = false};
}

Construction right_side_is_left_side_plus_constant() {
  return {.hash = hash_with_constant};
}

Construction one_key_for_both_sides() {
  return {.hash = hash_with_one_key};
}

}  // namespace gyre::dpf
