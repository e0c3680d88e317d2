// The first levels of a key's tree, on the host: a handful of hashes that a device would do one
// after another.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cuda/expand_step.hpp"
#include "core/dpf/key.hpp"

namespace gyre::cuda {

// Tiers that a device expands for a tree of so many leaves, one level at least being left to the
// host: a root is no node like others. With none (up to 128 leaves) the host does it all.
[[nodiscard]] constexpr unsigned tiers_for(std::uint64_t leaves) noexcept {
  unsigned levels = 0;
  while (leaves > (std::uint64_t{1} << levels)) ++levels;
  return levels == 0 ? 0 : (levels - 1) / levels_per_tier;
}

// Nodes of a height that have one of the leftmost `leaves` leaves below them.
[[nodiscard]] constexpr std::uint64_t nodes_at(unsigned height, std::uint64_t leaves) noexcept {
  return ((leaves - 1) >> height) + 1;
}

struct TreeTop {
  TreeCorrections corrections;
  std::vector<dpf::Block> nodes;  // all nodes_at() of height 7 * tiers_for(leaves)
};

// REQUIRES: tiers_for(leaves) > 0 and a key whose tree has that many leaves. Constant-time.
[[nodiscard]] TreeTop top_of_tree(const dpf::Key& key, std::uint64_t leaves);

}  // namespace gyre::cuda
