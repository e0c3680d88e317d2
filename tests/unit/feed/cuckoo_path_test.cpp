#include "harness/feed/cuckoo_path.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"

namespace gyre::feed {
namespace {

// Row to the candidates of its holder.
using Holders = std::map<std::uint64_t, table::Candidates>;

Result<std::optional<std::vector<std::uint64_t>>> path_in(const Holders& holders,
                                                          const table::Candidates& candidates) {
  return find_path(candidates, [&](std::uint64_t row) -> Result<std::optional<table::Candidates>> {
    const auto found = holders.find(row);
    if (found == holders.end()) return std::nullopt;
    return found->second;
  });
}

TEST(CuckooPath, AFreeCandidateIsTakenAsItIs) {
  const auto path = path_in({{1, {1, 2, 3}}}, {1, 9, 9});
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, std::vector<std::uint64_t>{9});
}

TEST(CuckooPath, TheShortestPathIsFound) {
  // From row 1 it takes two moves, from row 2 one.
  const Holders holders{{1, {1, 4, 4}}, {4, {1, 4, 7}}, {2, {2, 8, 2}}};
  const auto path = path_in(holders, {1, 2, 1});
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, (std::vector<std::uint64_t>{2, 8}));
}

TEST(CuckooPath, KeysThatShareAllTheirRowsHaveNoPath) {
  const auto path = path_in({{1, {1, 2, 2}}, {2, {2, 1, 1}}}, {1, 2, 1});
  ASSERT_TRUE(path);
  EXPECT_FALSE(*path);
}

TEST(CuckooPath, ASearchIsBounded) {
  // Every row is taken, and there is no end of rows.
  std::size_t asked = 0;
  const auto path =
      find_path({0, 1, 2}, [&](std::uint64_t row) -> Result<std::optional<table::Candidates>> {
        ++asked;
        return table::Candidates{row, 2 * row + 3, 2 * row + 4};
      });
  ASSERT_TRUE(path);
  EXPECT_FALSE(*path);
  EXPECT_LE(asked, max_rows_searched);
  // One row after another.
  const auto chain =
      find_path({0, 0, 0}, [&](std::uint64_t row) -> Result<std::optional<table::Candidates>> {
        return table::Candidates{row, row + 1, row + 1};
      });
  ASSERT_TRUE(chain);
  EXPECT_FALSE(*chain);
}

TEST(CuckooPath, AnErrorEndsTheSearch) {
  const auto path = find_path({0, 1, 2}, [](std::uint64_t) {
    return Result<std::optional<table::Candidates>>(
        fail(ErrorCode::io_failed, "as the test wants"));
  });
  EXPECT_EQ(code_of(path), ErrorCode::io_failed);
}

RC_GTEST_PROP(CuckooPath, EveryMoveIsToACandidateAndTheLastRowIsFree, ()) {
  constexpr std::uint64_t rows = 24;
  const auto some_candidates = [] {
    const auto row = anywhere_in<std::uint64_t>(0, rows);
    return table::Candidates{*row, *row, *row};
  };
  Holders holders;
  for (std::uint64_t key = 0; key < rows; ++key) {
    const table::Candidates candidates = some_candidates();
    const auto path = path_in(holders, candidates);
    RC_ASSERT(path);
    if (!*path) continue;
    const std::vector<std::uint64_t>& way = **path;
    RC_ASSERT(std::set<std::uint64_t>(way.begin(), way.end()).size() == way.size());
    RC_ASSERT(!holders.contains(way.back()));
    for (std::size_t i = way.size() - 1; i > 0; --i) {
      const auto holder = holders.at(way[i - 1]);
      RC_ASSERT(std::find(holder.begin(), holder.end(), way[i]) != holder.end());
      holders[way[i]] = holder;
    }
    RC_ASSERT(std::find(candidates.begin(), candidates.end(), way.front()) != candidates.end());
    holders[way.front()] = candidates;
  }
}

}  // namespace
}  // namespace gyre::feed
