#include "backends/cuda/top_of_tree.hpp"

#include <cassert>
#include <utility>

#include "core/dpf/expansion_kernel.hpp"

namespace gyre::cuda {
namespace {

// As core/dpf/expand.cpp writes a level's corrections: each side's control correction in the lowest
// bit of its seed.
dpf::ChildCorrections of_level(const dpf::LevelCorrection& level) noexcept {
  const std::uint64_t seed_low = level.seed.low & ~std::uint64_t{1};
  const std::uint64_t left = level.control & 1U;
  const std::uint64_t right = (level.control >> 1U) & 1U;
  return {.left = {.low = seed_low | left, .high = level.seed.high},
          .right = {.low = seed_low | right, .high = level.seed.high}};
}

}  // namespace

TreeTop top_of_tree(const dpf::Key& key, std::uint64_t leaves) {
  const dpf::ExpansionKernel& kernel = dpf::best_expansion_kernel();
  const auto depth = static_cast<unsigned>(key.levels.size());
  assert(depth > 0);  // more than 128 leaves have a level above them
  TreeTop top{};
  top.corrections.value = key.value_correction;
  for (unsigned level = 0; level < depth; ++level) {
    top.corrections.at_height[depth - 1 - level] = of_level(key.levels[level]);
  }

  // All 128 bits of the root's seed count and its control bit is the party, which is no secret.
  unsigned height = depth - 1;
  std::vector<dpf::Block> nodes(2);
  kernel.hash(dpf::FixedKey::left, &key.seed, &nodes[0], 1);
  kernel.hash(dpf::FixedKey::right, &key.seed, &nodes[1], 1);
  if (key.party != 0) {
    nodes[0] = nodes[0] ^ top.corrections.at_height[height].left;
    nodes[1] = nodes[1] ^ top.corrections.at_height[height].right;
  }
  const unsigned lowest = levels_per_tier * tiers_for(leaves);
  nodes.resize(nodes_at(height, leaves));
  while (height > lowest) {
    --height;
    std::vector<dpf::Block> children(2 * nodes.size());
    kernel.expand_level(nodes.data(), nodes.size(), top.corrections.at_height[height],
                        children.data());
    children.resize(nodes_at(height, leaves));
    nodes = std::move(children);
  }
  top.nodes = std::move(nodes);
  return top;
}

}  // namespace gyre::cuda
