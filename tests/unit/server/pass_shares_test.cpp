#include "harness/server/pass_shares.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include "tests/support/generators.hpp"

namespace gyre::server {
namespace {

using Shares = std::vector<std::size_t>;

Shares shares_of(const std::vector<WaitingQueries>& requests, PassBounds bounds) {
  return fair_shares(requests, bounds);
}

TEST(FairShares, OneOfEachInTurn) {
  EXPECT_EQ(shares_of({{20, 4}, {1, 4}, {1, 4}, {1, 4}}, {8, 1000}), (Shares{5, 1, 1, 1}));
  EXPECT_EQ(shares_of({{9, 4}, {9, 4}, {2, 4}}, {9, 1000}), (Shares{4, 3, 2}));
  EXPECT_EQ(shares_of({{1, 4}, {1, 4}, {1, 4}}, {2, 1000}), (Shares{1, 1, 0}));
  EXPECT_EQ(shares_of({{3, 4}}, {8, 1000}), (Shares{3}));
  EXPECT_EQ(shares_of({}, {8, 1000}), Shares{});
}

TEST(FairShares, LongAnswersAreBoundedButOneAlwaysFits) {
  EXPECT_EQ(shares_of({{9, 30}, {9, 40}}, {8, 100}), (Shares{2, 1}));
  EXPECT_EQ(shares_of({{9, 1000}, {1, 1}}, {8, 100}), (Shares{1, 0}));
  // What does not fit is not overtaken by what would.
  EXPECT_EQ(shares_of({{1, 60}, {1, 60}, {1, 1}}, {8, 100}), (Shares{1, 0, 0}));
}

RC_GTEST_PROP(FairShares, AreWithinTheBoundsFairAndAsManyAsFit, ()) {
  std::vector<WaitingQueries> requests(*anywhere_in<std::size_t>(1, 12));
  for (WaitingQueries& request : requests) {
    request = {*anywhere_in<std::size_t>(1, 40), *anywhere_in<std::uint64_t>(1, 50)};
  }
  const PassBounds bounds{*anywhere_in<std::size_t>(1, 64), *anywhere_in<std::uint64_t>(1, 1500)};
  PassLoad already{.queries = *anywhere_in<std::size_t>(0, bounds.queries + 1)};
  if (already.queries > 0) {
    already.answer_bytes = *anywhere_in<std::uint64_t>(0, bounds.answer_bytes + 1);
  }
  const Shares shares = fair_shares(requests, bounds, already);
  RC_ASSERT(shares.size() == requests.size());
  const std::size_t total = std::accumulate(shares.begin(), shares.end(), std::size_t{0});
  std::uint64_t bytes = already.answer_bytes;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    RC_ASSERT(shares[i] <= requests[i].queries);
    bytes += shares[i] * requests[i].answer_bytes;
  }
  if (already.queries == 0) RC_ASSERT(shares.front() >= 1U);
  RC_ASSERT(already.queries + total <= bounds.queries);
  RC_ASSERT((bytes <= bounds.answer_bytes || already.queries + total == 1));

  // Whoever could have more has at most one less than anybody before, and no less than anybody
  // behind.
  std::size_t next = requests.size();  // whose turn it would be
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] == requests[i].queries) continue;
    for (std::size_t other = 0; other < shares.size(); ++other) {
      RC_ASSERT(shares[other] <= shares[i] + (other < i ? 1 : 0));
    }
    if (next == requests.size() || shares[i] < shares[next]) next = i;
  }
  if (next < requests.size()) {
    RC_ASSERT((already.queries + total == bounds.queries ||
               bytes + requests[next].answer_bytes > bounds.answer_bytes));
  }
}

}  // namespace
}  // namespace gyre::server
