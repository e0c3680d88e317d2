#include "core/dpf/expand.hpp"

#include <algorithm>
#include <cstddef>

namespace gyre::dpf {
namespace {

// Expansion goes down the tree in two tiers, each breadth first, so that the kernels get many nodes
// at a time and everything stays in the first-level cache: a block of up to 1,024 nodes
// `subtree_levels` above the leaves, then for every 16 of those their 1,024 leaves.
constexpr std::uint64_t nodes_at_once = 1024;

}  // namespace

// Room for nodes_at_once nodes that is not cleared first.
class KeyTree::NodeBuffer {
 public:
  [[nodiscard]] Block* nodes() noexcept { return reinterpret_cast<Block*>(storage_); }

 private:
  alignas(64) std::byte storage_[nodes_at_once * sizeof(Block)];
};

// An inclusive range of leaves.
struct KeyTree::LeafRange {
  std::uint64_t first;
  std::uint64_t last;

  // Up to the next multiple of `size`, a power of two.
  [[nodiscard]] LeafRange up_to_multiple_of(std::uint64_t size) const noexcept {
    return {first, std::min(last, first | (size - 1))};
  }
};

KeyTree::KeyTree(const ExpansionKernel& kernel, const Key& key) noexcept
    : kernel_(&kernel),
      depth_(static_cast<unsigned>(key.levels.size())),
      value_correction_(key.value_correction) {
  if (depth_ == 0) {
    kernel.hash(FixedKey::value, &key.seed, &only_leaf_, 1);
    if (key.party != 0) only_leaf_ = only_leaf_ ^ key.value_correction;
    return;
  }
  for (unsigned level = 0; level < depth_; ++level) {
    const LevelCorrection& correction = key.levels[level];
    const std::uint64_t seed_low = correction.seed.low & ~std::uint64_t{1};
    const std::uint64_t left_control = correction.control & 1U;
    const std::uint64_t right_control = (correction.control >> 1U) & 1U;
    corrections_[level] = {
        .left = {.low = seed_low | left_control, .high = correction.seed.high},
        .right = {.low = seed_low | right_control, .high = correction.seed.high}};
  }
  // All 128 bits of the root's seed count and its control bit is the party, which is no secret.
  kernel.hash(FixedKey::left, &key.seed, &root_children_[0], 1);
  kernel.hash(FixedKey::right, &key.seed, &root_children_[1], 1);
  if (key.party != 0) {
    root_children_[0] = root_children_[0] ^ corrections_[0].left;
    root_children_[1] = root_children_[1] ^ corrections_[0].right;
  }
}

unsigned KeyTree::lower_levels() const noexcept {
  return std::min(depth_ - 1, subtree_levels);
}

// The node of depth 1 above that leaf.
const Block* KeyTree::below_root(std::uint64_t leaf) const noexcept {
  return &root_children_[leaf >> (depth_ - 1)];
}

// Node of depth `depth` above that leaf, counted from the left.
std::uint64_t KeyTree::ancestor(std::uint64_t leaf, unsigned depth) const noexcept {
  return leaf >> (depth_ - depth);
}

// From the nodes of depth `from` above the leaves to those of depth `to`, which lie in `even` or
// `odd` (or are `nodes` themselves). REQUIRES: at most nodes_at_once nodes of depth `to` have a
// parent above leaves.
const Block* KeyTree::descend(const Block* nodes, unsigned from, unsigned to, LeafRange leaves,
                              NodeBuffer& even, NodeBuffer& odd) const noexcept {
  for (unsigned depth = from; depth < to; ++depth) {
    const std::uint64_t first = ancestor(leaves.first, depth);
    const std::uint64_t last = ancestor(leaves.last, depth);
    Block* children = (depth % 2 == 0 ? odd : even).nodes();
    kernel_->expand_level(nodes, last - first + 1, corrections_[depth], children);
    nodes = children + (ancestor(leaves.first, depth + 1) - 2 * first);
  }
  return nodes;
}

void KeyTree::expand_subtrees(std::uint64_t first_leaf, std::uint64_t leaves,
                              Block* roots) const noexcept {
  if (depth_ == 0) return;
  NodeBuffer even;
  NodeBuffer odd;
  const LeafRange range{first_leaf, first_leaf + leaves - 1};
  const unsigned depth = depth_ - lower_levels();
  const Block* const nodes = descend(below_root(first_leaf), 1, depth, range, even, odd);
  std::copy_n(nodes, ancestor(range.last, depth) - ancestor(range.first, depth) + 1, roots);
}

void KeyTree::expand_below(const Block* roots, std::uint64_t roots_first_leaf,
                           std::uint64_t first_leaf, std::span<Block> leaves) const noexcept {
  if (leaves.empty()) return;
  if (depth_ == 0) {
    leaves[0] = only_leaf_;
    return;
  }
  NodeBuffer even;
  NodeBuffer odd;
  const LeafRange range{first_leaf, first_leaf + leaves.size() - 1};
  const unsigned depth = depth_ - lower_levels();
  const Block* const above =
      roots + (ancestor(first_leaf, depth) - ancestor(roots_first_leaf, depth));
  const Block* const nodes = descend(above, depth, depth_, range, even, odd);
  kernel_->finish_leaves(nodes, leaves.size(), value_correction_, leaves.data());
}

void KeyTree::expand(std::uint64_t first_leaf, std::span<Block> leaves) const noexcept {
  if (leaves.empty()) return;
  if (depth_ == 0) {
    leaves[0] = only_leaf_;
    return;
  }
  NodeBuffer even;
  NodeBuffer odd;
  const unsigned lower = lower_levels();
  Block* out = leaves.data();
  LeafRange left{first_leaf, first_leaf + leaves.size() - 1};
  while (left.first <= left.last) {
    const LeafRange block = left.up_to_multiple_of(nodes_at_once << lower);
    const Block* const roots =
        descend(below_root(block.first), 1, depth_ - lower, block, even, odd);
    LeafRange rest = block;
    while (rest.first <= rest.last) {
      const LeafRange group = rest.up_to_multiple_of(nodes_at_once);
      const std::uint64_t count = group.last - group.first + 1;
      expand_below(roots, block.first, group.first, {out, count});
      out += count;
      rest.first = group.last + 1;
    }
    left.first = block.last + 1;
  }
}

void expand(const ExpansionKernel& kernel, const Key& key, std::uint64_t first_leaf,
            std::span<Block> leaves) noexcept {
  if (leaves.empty()) return;
  KeyTree(kernel, key).expand(first_leaf, leaves);
}

}  // namespace gyre::dpf
