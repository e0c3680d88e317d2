// Expanding range by range equals expanding at once.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "core/dpf/expand.hpp"
#include "tests/support/generators.hpp"
#include "tests/unit/dpf/random_keys.hpp"
#include "tests/unit/dpf/runnable_kernels.hpp"

namespace gyre::dpf {
namespace {

// A mark behind what may be written.
constexpr Block untouched{.low = 0x1111, .high = 0x2222};

RC_GTEST_PROP(DpfKeyTree, BlocksBelowSubtreesAreTheLeaves, ()) {
  const auto levels = *anywhere_in<unsigned>(0, 18);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Key key = random_key(levels, random);
  const std::uint64_t all = std::uint64_t{1} << levels;
  const std::uint64_t first = random.word() % all;
  const std::uint64_t count = 1 + random.word() % std::min<std::uint64_t>(all - first, 5000);
  std::vector<Block> expected(count);
  expand(*expansion_kernels().back(), key, first, expected);

  for (const ExpansionKernel* kernel : runnable_kernels()) {
    const KeyTree tree(*kernel, key);
    std::vector<Block> roots(KeyTree::subtrees_above(count) + 1, untouched);
    tree.expand_subtrees(first, count, roots.data());
    RC_ASSERT(roots.back() == untouched);
    std::vector<Block> leaves(count + 1, untouched);
    for (std::uint64_t at = 0; at < count;) {
      const std::uint64_t some =
          std::min(1 + random.word() % KeyTree::max_leaves_below, count - at);
      tree.expand_below(roots.data(), first, first + at, {leaves.data() + at, some});
      at += some;
      RC_ASSERT(leaves[count] == untouched);
    }
    leaves.pop_back();
    RC_ASSERT(leaves == expected);
  }
}

TEST(DpfKeyTree, TheLargestRangeOfAnOddStartFits) {
  SeededRandom random(5);
  const Key key = random_key(20, random);
  const KeyTree tree(best_expansion_kernel(), key);
  constexpr std::uint64_t first = 63;
  constexpr std::uint64_t count = KeyTree::max_leaves_of_subtrees;
  std::vector<Block> roots(KeyTree::subtrees_above(count) + 1, untouched);
  tree.expand_subtrees(first, count, roots.data());
  EXPECT_EQ(roots.back(), untouched);
  std::vector<Block> last(KeyTree::max_leaves_below);
  tree.expand_below(roots.data(), first, first + count - last.size(), last);
  std::vector<Block> expected(last.size());
  expand(best_expansion_kernel(), key, first + count - last.size(), expected);
  EXPECT_EQ(last, expected);
}

}  // namespace
}  // namespace gyre::dpf
