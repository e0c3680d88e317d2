// A generated pair selects one record and nothing else.
#include "core/dpf/generate.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <pthread.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "core/dpf/expand.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::dpf {
namespace {

// Both parties' leaves of a range, added up.
std::vector<Block> sum_of_leaves(const std::array<Key, 2>& keys, std::uint64_t first,
                                 std::uint64_t count) {
  std::vector<Block> mine(count);
  std::vector<Block> others(count);
  expand(best_expansion_kernel(), keys[0], first, mine);
  expand(best_expansion_kernel(), keys[1], first, others);
  for (std::size_t i = 0; i < count; ++i) mine[i] = mine[i] ^ others[i];
  return mine;
}

Block expected_leaf(std::uint64_t leaf, std::uint64_t index) {
  Block block;
  if (leaf == index / 128) {
    (index % 128 < 64 ? block.low : block.high) = std::uint64_t{1} << (index % 64);
  }
  return block;
}

RC_GTEST_PROP(DpfGenerate, SelectsOneRecordOfASmallTree, ()) {
  const auto levels = *anywhere_in(0U, 13U);
  const std::uint64_t leaves = std::uint64_t{1} << levels;
  const auto index = *anywhere_in<std::uint64_t>(0, 128 * leaves);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const auto keys = generate(levels, index, random);
  RC_ASSERT(keys.has_value());
  const std::vector<Block> sum = sum_of_leaves(*keys, 0, leaves);
  for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
    RC_ASSERT(sum[leaf] == expected_leaf(leaf, index));
  }
}

RC_GTEST_PROP(DpfGenerate, SelectsOneRecordOfADeepTree, ()) {
  const auto levels = *anywhere_in(13U, max_levels + 1);
  const std::uint64_t leaves = std::uint64_t{1} << levels;
  const auto index = *anywhere_in<std::uint64_t>(0, 128 * leaves);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const auto keys = generate(levels, index, random);
  RC_ASSERT(keys.has_value());
  const std::uint64_t window = 64;
  const std::uint64_t around = index / 128 / window * window;
  const auto elsewhere = *anywhere_in<std::uint64_t>(0, leaves - window);
  for (const std::uint64_t first : {std::uint64_t{0}, around, elsewhere, leaves - window}) {
    const std::vector<Block> sum = sum_of_leaves(*keys, first, window);
    for (std::uint64_t i = 0; i < window; ++i) {
      RC_ASSERT(sum[i] == expected_leaf(first + i, index));
    }
  }
}

RC_GTEST_PROP(DpfGenerate, KeysAreOfTheDocumentedForm, ()) {
  const auto levels = *anywhere_in(0U, max_levels + 1);
  const auto index = *anywhere_in<std::uint64_t>(0, std::uint64_t{128} << levels);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const auto keys = generate(levels, index, random);
  RC_ASSERT(keys.has_value());
  for (std::uint8_t party = 0; party < 2; ++party) {
    const Key& key = (*keys)[party];
    RC_ASSERT(key.party == party);
    RC_ASSERT(key.levels.size() == levels);
    const auto parsed = parse(serialize(key));
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == key);
  }
  RC_ASSERT((*keys)[0].levels == (*keys)[1].levels);
  RC_ASSERT((*keys)[0].value_correction == (*keys)[1].value_correction);
  RC_ASSERT(!((*keys)[0].seed == (*keys)[1].seed));
}

TEST(DpfGenerate, FirstAndLastRecordOfEveryDepth) {
  SeededRandom random(5);
  for (unsigned levels = 0; levels <= max_levels; ++levels) {
    const std::uint64_t last = (std::uint64_t{128} << levels) - 1;
    for (const std::uint64_t index : {std::uint64_t{0}, last}) {
      const auto keys = generate(levels, index, random);
      ASSERT_TRUE(keys);
      EXPECT_EQ(sum_of_leaves(*keys, index / 128, 1)[0], expected_leaf(index / 128, index));
    }
    const auto outside = generate(levels, last + 1, random);
    EXPECT_EQ(code_of(outside), ErrorCode::key_domain_mismatch);
  }
  EXPECT_EQ(code_of(generate(max_levels + 1, 0, random)), ErrorCode::key_domain_mismatch);
  EXPECT_EQ(code_of(generate(0, ~std::uint64_t{0}, random)), ErrorCode::key_domain_mismatch);
}

TEST(DpfGenerate, KeysDifferEachTime) {
  SystemRandom random;
  const auto once = generate(5, 77, random);
  const auto again = generate(5, 77, random);
  ASSERT_TRUE(once && again);
  EXPECT_NE((*once)[0].seed, (*again)[0].seed);
  EXPECT_NE((*once)[1].seed, (*again)[1].seed);
}

class NoRandom final : public RandomSource {
 public:
  Result<void> fill(std::span<std::byte>) override {
    return fail(ErrorCode::internal, "the source is dry");
  }
};

TEST(DpfGenerate, PassesOnThatThereIsNoRandomness) {
  NoRandom random;
  const auto keys = generate(5, 77, random);
  EXPECT_EQ(code_of(keys), ErrorCode::internal);
}

// Runs `work` on a stack of its own and returns what it left there.
std::vector<std::byte> stack_after(const std::function<void()>& work) {
  std::vector<std::byte> memory(std::size_t{1} << 18U);
  void* begin = memory.data();
  std::size_t bytes = memory.size();
  begin = std::align(4096, bytes - 4096, begin, bytes);
  pthread_attr_t attributes;
  EXPECT_EQ(::pthread_attr_init(&attributes), 0);
  EXPECT_EQ(::pthread_attr_setstack(&attributes, begin, bytes / 4096 * 4096), 0);
  pthread_t thread{};
  const auto run = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  auto* const argument = const_cast<std::function<void()>*>(&work);
  EXPECT_EQ(::pthread_create(&thread, &attributes, run, argument), 0);
  EXPECT_EQ(::pthread_join(thread, nullptr), 0);
  ::pthread_attr_destroy(&attributes);
  return memory;
}

bool holds(const std::vector<std::byte>& memory, const Block& block) {
  const auto bytes = std::as_bytes(std::span(&block, 1));
  return std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()) != memory.end();
}

TEST(DpfGenerate, LeavesNoSeedOnTheStack) {
#if defined(GYRE_SANITIZED)
  GTEST_SKIP() << "a sanitizer keeps copies of its own";
#endif
  const unsigned levels = 5;
  SeededRandom random(7);
  std::unique_ptr<Result<std::array<Key, 2>>> keys;  // made in place, off the stack
  const auto memory = stack_after(
      [&] { keys.reset(new Result<std::array<Key, 2>>(generate(levels, 1234, random))); });
  ASSERT_TRUE(keys->has_value());
  for (const Key& key : **keys) {
    EXPECT_FALSE(holds(memory, key.seed)) << "the root of party " << int{key.party};
    // What follows on the path, from the keys themselves: the leaf, and what it is made of.
    std::vector<Block> leaf(1);
    expand(best_expansion_kernel(), key, 1234 / 128, leaf);
    const Block value = leaf[0] ^ key.value_correction;
    EXPECT_FALSE(holds(memory, leaf[0]) || holds(memory, value)) << "the hash of the leaf's seed";
  }
}

}  // namespace
}  // namespace gyre::dpf
