// One party's key tells nothing about the index; keys of generators broken on purpose do, and the
// battery notices. The broken ones all make keys that work: no test of function would.
#include "tests/property/dpf_distinguisher.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "core/dpf/expand.hpp"
#include "core/dpf/generate.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::dpf {
namespace {

// A deep tree, walked along its edges and two zigzags.
Battery deep_tree() {
  return {.levels = 12, .leaves = {0, 0x555, 0xAAA, 0xFFF}};
}

// A small tree, every node of it and every expanded bit.
Battery whole_tree() {
  Battery battery{.levels = 4, .leaves = std::vector<std::uint64_t>(16)};
  std::iota(battery.leaves.begin(), battery.leaves.end(), 0);
  return battery;
}

// What the tests of broken generators share: smaller, since a flaw shows at once.
Battery quick() {
  return {.levels = 6, .leaves = {0, 63}};
}

void print(const Report& report) {
  std::printf(
      "%zu keys, %zu features, %zu comparisons, threshold 1/2 ± %.4f; strongest: %.4f, %s "
      "with index bit %u; %zu findings\n",
      report.keys, report.features, report.comparisons, report.threshold,
      report.strongest.agreement, report.strongest.feature.c_str(), report.strongest.index_bit,
      report.findings.size());
}

Report run(const Battery& battery, const Construction& server, const KeyMaker& maker,
           std::size_t party) {
  auto report = distinguish(battery, server, maker, party);
  EXPECT_TRUE(report);
  if (!report) return {};
  print(*report);
  return *report;
}

// Both parties' leaves, added, select the index and nothing else.
void expect_working_keys(const Construction& server, const KeyMaker& maker) {
  SeededRandom random(7);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::uint64_t index = random.word() >> (64 - 12);
    const auto keys = maker(5, index, random);
    ASSERT_TRUE(keys);
    for (std::uint64_t leaf = 0; leaf < 32; ++leaf) {
      Block expected;
      if (leaf == index / 128) {
        (index % 128 < 64 ? expected.low : expected.high) = std::uint64_t{1} << (index % 64);
      }
      ASSERT_EQ(server.leaf((*keys)[0], leaf) ^ server.leaf((*keys)[1], leaf), expected);
    }
  }
}

KeyMaker generator_of(const Construction& construction) {
  return [construction](unsigned levels, std::uint64_t index, RandomSource& random) {
    return construction.generate(levels, index, random);
  };
}

class DpfDistinguisher : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(BothParties, DpfDistinguisher, testing::Values(0, 1));

TEST_P(DpfDistinguisher, FindsNothingInADeepTree) {
  const Report report = run(deep_tree(), documented_construction(), generate, GetParam());
  EXPECT_GE(report.keys, 20'000U);
  EXPECT_GT(report.comparisons, 1'000'000U);
  EXPECT_TRUE(report.findings.empty());
}

TEST_P(DpfDistinguisher, FindsNothingInAWholeTree) {
  const Report report = run(whole_tree(), documented_construction(), generate, GetParam());
  EXPECT_GE(report.keys, 20'000U);
  EXPECT_TRUE(report.findings.empty());
}

// The plain construction that the battery walks is the one that is shipped.
TEST(DpfConstruction, IsTheShippedOne) {
  for (unsigned levels = 0; levels <= 10; ++levels) {
    SeededRandom indices(levels);
    const std::uint64_t index = indices.word() >> (64 - 7 - levels);
    SeededRandom random(11);
    SeededRandom same_random(11);
    const auto keys = documented_construction().generate(levels, index, random);
    const auto shipped = generate(levels, index, same_random);
    ASSERT_TRUE(keys && shipped);
    EXPECT_EQ(*keys, *shipped);
    for (const Key& key : *shipped) {
      std::vector<Block> leaves(std::size_t{1} << levels);
      expand(best_expansion_kernel(), key, 0, leaves);
      for (std::uint64_t leaf = 0; leaf < leaves.size(); ++leaf) {
        ASSERT_EQ(documented_construction().leaf(key, leaf), leaves[leaf]);
      }
    }
  }
}

// A source that hides the index in the low half of each root seed, or parts of it.
class LeakyRandom final : public RandomSource {
 public:
  LeakyRandom(RandomSource& honest, std::uint64_t replaced, std::uint64_t value)
      : honest_(honest), replaced_(replaced), value_(value) {}

  Result<void> fill(std::span<std::byte> out) override {
    auto filled = honest_.fill(out);
    for (; out.size() >= sizeof(Block); out = out.subspan(sizeof(Block))) {
      std::uint64_t low = 0;
      std::memcpy(&low, out.data(), sizeof(low));
      low = (low & ~replaced_) | (value_ & replaced_);
      std::memcpy(out.data(), &low, sizeof(low));
    }
    return filled;
  }

 private:
  RandomSource& honest_;
  std::uint64_t replaced_;
  std::uint64_t value_;
};

TEST_P(DpfDistinguisher, FindsTheIndexInTheKey) {
  const KeyMaker broken = [](unsigned levels, std::uint64_t index, RandomSource& random) {
    LeakyRandom leaky(random, ~std::uint64_t{0}, index);
    return generate(levels, index, leaky);
  };
  expect_working_keys(documented_construction(), broken);
  const Report report = run(quick(), documented_construction(), broken, GetParam());
  for (unsigned bit = 0; bit < 13; ++bit) EXPECT_TRUE(report.found(bit)) << bit;
  EXPECT_EQ(report.strongest.agreement, 1.0);
}

// One bit in the middle of the seed that agrees with one index bit in 56 of 100 keys is enough.
TEST_P(DpfDistinguisher, FindsAFaintTraceOfTheIndex) {
  constexpr unsigned leaking_bit = 9;
  const KeyMaker broken = [](unsigned levels, std::uint64_t index, RandomSource& random) {
    std::uint32_t dice = 0;
    if (auto rolled = random.fill(std::as_writable_bytes(std::span(&dice, 1))); !rolled) {
      return Result<std::array<Key, 2>>(forward_error(rolled));
    }
    const bool honest = dice % 100 >= 12;
    LeakyRandom leaky(random, honest ? 0 : std::uint64_t{1} << 41U,
                      (index >> leaking_bit & 1U) << 41U);
    return generate(levels, index, leaky);
  };
  expect_working_keys(documented_construction(), broken);
  const Report report = run(quick(), documented_construction(), broken, GetParam());
  EXPECT_TRUE(report.found(leaking_bit));
  for (const Finding& finding : report.findings) EXPECT_EQ(finding.index_bit, leaking_bit);
}

TEST_P(DpfDistinguisher, FindsTheControlBitLeftInTheSeed) {
  const Construction broken = control_bit_left_in_seed();
  expect_working_keys(broken, generator_of(broken));
  const Report report = run(quick(), broken, generator_of(broken), GetParam());
  for (unsigned bit = 7; bit < 13; ++bit) EXPECT_TRUE(report.found(bit)) << bit;
}

TEST_P(DpfDistinguisher, FindsCorrelatedSides) {
  for (const Construction& broken :
       {right_side_is_left_side_plus_constant(), one_key_for_both_sides()}) {
    expect_working_keys(broken, generator_of(broken));
    const Report report = run(quick(), broken, generator_of(broken), GetParam());
    // The first level's correction still hides its side; from the second on the keys agree, and
    // tell.
    for (unsigned bit = 7; bit < 12; ++bit) EXPECT_TRUE(report.found(bit)) << bit;
    EXPECT_EQ(report.strongest.agreement == 0.0 || report.strongest.agreement == 1.0, true);
  }
}

}  // namespace
}  // namespace gyre::dpf
