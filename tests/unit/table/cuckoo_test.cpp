#include "harness/table/cuckoo.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <random>
#include <set>

#include "tests/support/generators.hpp"

namespace gyre::table {
namespace {

const PlacementProgress go_on = [](std::uint64_t) { return true; };

std::vector<CandidateRows> random_candidates(std::size_t keys, std::uint32_t rows,
                                             std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<CandidateRows> candidates(keys);
  for (auto& of_key : candidates) {
    for (auto& row : of_key) row = static_cast<std::uint32_t>(random() % rows);
  }
  return candidates;
}

void expect_valid(const std::vector<CandidateRows>& candidates,
                  const std::vector<std::uint32_t>& rows) {
  RC_ASSERT(rows.size() == candidates.size());
  RC_ASSERT(std::set<std::uint32_t>(rows.begin(), rows.end()).size() == rows.size());
  for (std::size_t key = 0; key < rows.size(); ++key) {
    RC_ASSERT(std::count(candidates[key].begin(), candidates[key].end(), rows[key]) > 0);
  }
}

// Whether any placement exists: augmenting paths, tried exhaustively.
bool placement_exists(const std::vector<CandidateRows>& candidates, std::uint32_t rows) {
  std::vector<int> holder(rows, -1);
  for (std::size_t key = 0; key < candidates.size(); ++key) {
    std::vector<bool> seen(rows, false);
    const auto augment = [&](const auto& self, int k) -> bool {
      for (const std::uint32_t row : candidates[static_cast<std::size_t>(k)]) {
        if (seen[row]) continue;
        seen[row] = true;
        if (holder[row] < 0 || self(self, holder[row])) {
          holder[row] = k;
          return true;
        }
      }
      return false;
    };
    if (!augment(augment, static_cast<int>(key))) return false;
  }
  return true;
}

// Small tables of every load, where keys that cannot all be placed are common.
RC_GTEST_PROP(PlaceKeys, FindsAPlacementExactlyWhenThereIsOne, ()) {
  const auto rows = *anywhere_in<std::uint32_t>(1, 12);
  const auto keys = *anywhere_in<std::size_t>(1, rows + 2U);
  const auto candidates = random_candidates(keys, rows, *rc::gen::arbitrary<std::uint64_t>());
  const auto placed = place_keys(candidates, rows, *rc::gen::arbitrary<std::uint64_t>(), go_on);
  RC_ASSERT(placed.has_value() == placement_exists(candidates, rows));
  if (placed) expect_valid(candidates, *placed);
}

TEST(PlaceKeys, FitsALoadOf85Percent) {
  constexpr std::uint32_t rows = 100'000;
  const auto candidates = random_candidates(85'000, rows, 1);
  const auto placed = place_keys(candidates, rows, 2, go_on);
  ASSERT_TRUE(placed);
  expect_valid(candidates, *placed);
}

TEST(PlaceKeys, GivesUpBeyondTheThreshold) {
  // At 97 % three candidates do not suffice.
  EXPECT_FALSE(place_keys(random_candidates(9'700, 10'000, 1), 10'000, 2, go_on));
}

TEST(PlaceKeys, DependsOnItsArgumentsAlone) {
  const auto candidates = random_candidates(8'500, 10'000, 1);
  EXPECT_EQ(place_keys(candidates, 10'000, 2, go_on), place_keys(candidates, 10'000, 2, go_on));
}

TEST(PlaceKeys, EndsWhenAsked) {
  const auto candidates = random_candidates(100'000, 200'000, 1);
  std::uint64_t calls = 0;
  EXPECT_FALSE(place_keys(candidates, 200'000, 2, [&](std::uint64_t) {
    ++calls;
    return false;
  }));
  EXPECT_EQ(calls, 1U);
}

}  // namespace
}  // namespace gyre::table
