// Keys into selection bits, on a device.
//
// A tree is expanded in tiers of 7 levels. The host does the first few levels of a key, so that a
// whole number of tiers is left (top_of_tree.hpp); each tier makes of every node its 128
// descendants. One thread block takes 8 neighbours and ends with 1,024 nodes, all in shared memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cuda/bitsliced_nodes.hpp"
#include "backends/cuda/crew.hpp"
#include "backends/cuda/on_device.hpp"
#include "core/dpf/kernel_functions.hpp"
#include "core/dpf/max_levels.hpp"

namespace gyre::cuda {

inline constexpr unsigned levels_per_tier = 7;

// What a device needs to know of a key. A height counts levels from the leaves, so that keys with
// surplus levels look like any other.
struct TreeCorrections {
  dpf::ChildCorrections at_height[dpf::max_levels];  // added to the nodes of that height
  dpf::Block value;
};

// One tier of every query's tree: nodes first … last of height `height`, counted from the left,
// from their ancestors of height `height` + 7. At height 0 what comes out are leaves, 128 selection
// bits each.
struct ExpandStep {
  static constexpr unsigned threads = 64;
  static constexpr unsigned blocks_at_once = 8;
  static constexpr unsigned nodes_per_block = 1024;

  const TreeCorrections* keys = nullptr;
  std::uint32_t queries = 0;
  std::uint32_t height = 0;
  const dpf::Block* ancestors = nullptr;  // ancestors[0] is number first_ancestor
  std::uint64_t ancestors_stride = 0;     // from one query's to the next's
  std::uint64_t first_ancestor = 0;
  dpf::Block* out = nullptr;  // out[0] is number `first`
  std::uint64_t out_stride = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  [[nodiscard]] constexpr std::uint64_t windows() const noexcept {
    return last / nodes_per_block - first / nodes_per_block + 1;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return windows() * queries; }
  // The last level's nodes and, beside them, the level's before.
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept {
    return (nodes_per_block + nodes_per_block / 2) * sizeof(dpf::Block);
  }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    const std::uint64_t query = block / windows();
    const std::uint64_t window = first / nodes_per_block + block % windows();
    const std::uint64_t from = larger(first, window * nodes_per_block);
    const std::uint64_t to = smaller(last, window * nodes_per_block + (nodes_per_block - 1));
    auto* const large = static_cast<dpf::Block*>(crew.shared());
    dpf::Block* const small = large + nodes_per_block;

    const dpf::Block* nodes =
        ancestors + query * ancestors_stride + ((from >> levels_per_tier) - first_ancestor);
    for (unsigned level = levels_per_tier; level-- > 0;) {
      const std::uint64_t first_parent = from >> (level + 1);
      const auto parents = static_cast<unsigned>((to >> (level + 1)) - first_parent + 1);
      dpf::Block* const children = level % 2 == 0 ? large : small;
      expand_level(crew, keys[query].at_height[height + level], nodes, parents, children);
      nodes = children + ((from >> level) - 2 * first_parent);
    }
    const auto count = static_cast<unsigned>(to - from + 1);
    dpf::Block* const results = out + query * out_stride + (from - first);
    if (height == 0) {
      finish_leaves(crew, keys[query].value, nodes, count, results);
    } else {
      crew.for_each(count, [&](std::uint64_t i) { results[i] = nodes[i]; });
    }
  }

 private:
  [[nodiscard]] static constexpr std::uint64_t larger(std::uint64_t a, std::uint64_t b) noexcept {
    return a > b ? a : b;
  }
  [[nodiscard]] static constexpr std::uint64_t smaller(std::uint64_t a, std::uint64_t b) noexcept {
    return a < b ? a : b;
  }
  // How many nodes the eight from `index` on have.
  [[nodiscard]] static constexpr unsigned of_eight(unsigned index, unsigned count) noexcept {
    return count - index < 8 ? count - index : 8;
  }

  template <typename Crew>
  GYRE_ON_DEVICE static void expand_level(Crew& crew, const dpf::ChildCorrections& corrections,
                                          const dpf::Block* parents, unsigned count,
                                          dpf::Block* children) {
    // Whole warps for the left and whole warps for the right: a warp has one AES key.
    const unsigned eights = (count + 7) / 8;
    const unsigned per_side = (eights + 31) / 32 * 32;
    crew.for_each(2 * per_side, [&](std::uint64_t task) {
      const auto side = static_cast<unsigned>(task / per_side);
      const auto begin = static_cast<unsigned>(task % per_side) * 8;
      if (begin >= count) return;
      hash_nodes(crew.key(side == 0 ? dpf::FixedKey::left : dpf::FixedKey::right),
                 side == 0 ? corrections.left : corrections.right, parents + begin,
                 of_eight(begin, count),
                 [&](unsigned i) { return children + 2 * (begin + i) + side; });
    });
  }

  template <typename Crew>
  GYRE_ON_DEVICE static void finish_leaves(Crew& crew, const dpf::Block& correction,
                                           const dpf::Block* nodes, unsigned count,
                                           dpf::Block* leaves) {
    crew.for_each((count + 7) / 8, [&](std::uint64_t task) {
      const auto begin = static_cast<unsigned>(task) * 8;
      hash_nodes(crew.key(dpf::FixedKey::value), correction, nodes + begin, of_eight(begin, count),
                 [&](unsigned i) { return leaves + begin + i; });
    });
  }
};

}  // namespace gyre::cuda
