// From a key to selection bits.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/dpf/expansion_kernel.hpp"
#include "core/dpf/key.hpp"

namespace gyre::dpf {

// Writes leaves first_leaf … first_leaf + leaves.size() - 1 of the key's tree: in memory order, bit
// i of leaf b selects record 128 * b + i. Bits past a table's last record are not masked.
//
// Cost: about 3 AES per leaf, plus 2 or 3 per level for each call and each 65,536 leaves. Disjoint
// ranges may be expanded by different threads at once. Allocates nothing; needs 64 KiB of stack.
// Constant-time: control flow and addresses depend on the number of levels, the party and the range
// alone, never on the key's bits.
//
// REQUIRES: a kernel this CPU runs; key.levels.size() <= max_levels; first_leaf + leaves.size() <=
// 2^key.levels.size().
void expand(const ExpansionKernel& kernel, const Key& key, std::uint64_t first_leaf,
            std::span<Block> leaves) noexcept;

// A key made ready for expanding its leaves range by range, in the order a scan wants them: the
// nodes subtree_levels above the leaves are made for a long range at once, the leaves below them in
// blocks that fit the near caches. So a short block costs neither the walk from the root nor its
// narrow levels.
//
// Thread-safety: immutable; ranges may be expanded by different threads at once. Constant-time as
// expand(). The kernel and the key's value correction are kept, the key is not.
class KeyTree {
 public:
  // Levels between the subtrees' roots and their leaves: 64 leaves each, fewer in a tree that has
  // no more.
  static constexpr unsigned subtree_levels = 6;
  // What expand_subtrees() makes and expand_below() expands at once, at most.
  static constexpr std::uint64_t max_leaves_of_subtrees = 1000U << subtree_levels;
  static constexpr std::uint64_t max_leaves_below = 1000;

  // REQUIRES: as expand().
  KeyTree(const ExpansionKernel& kernel, const Key& key) noexcept;

  // Room for the roots above any range of so many leaves.
  [[nodiscard]] static constexpr std::uint64_t subtrees_above(std::uint64_t leaves) noexcept {
    return (leaves >> subtree_levels) + 2;
  }

  // Writes the roots of the subtrees that hold leaves first_leaf … first_leaf + leaves - 1, at most
  // subtrees_above(leaves). REQUIRES: 0 < leaves <= max_leaves_of_subtrees, inside the tree.
  void expand_subtrees(std::uint64_t first_leaf, std::uint64_t leaves, Block* roots) const noexcept;

  // Writes leaves first_leaf …, from the roots that expand_subtrees(roots_first_leaf, …) wrote.
  // REQUIRES: leaves of that range, at most max_leaves_below; 32 KiB of stack.
  void expand_below(const Block* roots, std::uint64_t roots_first_leaf, std::uint64_t first_leaf,
                    std::span<Block> leaves) const noexcept;

  // Writes leaves first_leaf …, any number, from the root.
  void expand(std::uint64_t first_leaf, std::span<Block> leaves) const noexcept;

 private:
  struct LeafRange;
  class NodeBuffer;

  [[nodiscard]] unsigned lower_levels() const noexcept;
  [[nodiscard]] const Block* below_root(std::uint64_t leaf) const noexcept;
  [[nodiscard]] std::uint64_t ancestor(std::uint64_t leaf, unsigned depth) const noexcept;
  [[nodiscard]] const Block* descend(const Block* nodes, unsigned from, unsigned to,
                                     LeafRange leaves, NodeBuffer& even,
                                     NodeBuffer& odd) const noexcept;

  const ExpansionKernel* kernel_;
  unsigned depth_;
  Block value_correction_;
  // Of a tree of no levels: its only leaf.
  Block only_leaf_;
  std::array<Block, 2> root_children_;
  std::array<ChildCorrections, max_levels> corrections_;
};

}  // namespace gyre::dpf
