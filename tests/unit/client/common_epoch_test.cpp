#include "harness/client/common_epoch.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "tests/unit/client/fake_server.hpp"

namespace gyre::client {
namespace {

using protocol::EpochDocument;
using protocol::EpochEntry;

EpochEntry entry(std::uint64_t salt) {
  return testing::make_content(salt, Geometry{128, 4, 1}).entry;
}

EpochDocument document(std::uint8_t party, const std::vector<std::uint64_t>& salts) {
  EpochDocument made;
  made.party = party;
  made.boot = "boot";
  made.current = entry(salts.at(0));
  for (std::size_t i = 1; i < salts.size(); ++i) made.retained.push_back(entry(salts[i]));
  return made;
}

TEST(CommonEpoch, IsTheCurrentOneOfBoth) {
  const auto chosen = choose_common_epoch(document(0, {1, 2, 3}), document(1, {1, 3}));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->id, entry(1).id);
}

TEST(CommonEpoch, ElseTheFirstOfServerZerosListThatTheOtherHolds) {
  // Server 0 ahead: its current is unknown to server 1.
  EXPECT_EQ(choose_common_epoch(document(0, {3, 2, 1}), document(1, {2, 1}))->id, entry(2).id);
  // Server 0 behind: server 1 retains what is current on server 0.
  EXPECT_EQ(choose_common_epoch(document(0, {1}), document(1, {2, 1}))->id, entry(1).id);
  // Both orders differ: server 0's decides, whichever way round they are passed.
  EXPECT_EQ(choose_common_epoch(document(0, {5, 2, 1}), document(1, {6, 1, 2}))->id, entry(2).id);
  EXPECT_EQ(choose_common_epoch(document(1, {6, 1, 2}), document(0, {5, 2, 1}))->id, entry(2).id);
}

TEST(CommonEpoch, NothingInCommonIsSaidSo) {
  const auto chosen = choose_common_epoch(document(0, {1, 2}), document(1, {3, 4}));
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, ErrorCode::no_epoch);
}

TEST(CommonEpoch, NeedsOneServerOfEachParty) {
  for (const std::uint8_t party : {std::uint8_t{0}, std::uint8_t{1}}) {
    const auto chosen = choose_common_epoch(document(party, {1}), document(party, {1}));
    ASSERT_FALSE(chosen);
    EXPECT_EQ(chosen.error().code, ErrorCode::wrong_party);
  }
}

TEST(CommonEpoch, EveryDifferenceInWhatMustBeIdenticalIsADisagreement) {
  const std::vector<void (*)(EpochEntry&)> changes = {
      [](EpochEntry& e) { e.base[31] ^= std::byte{1}; },
      [](EpochEntry& e) { e.metadata.table[0] ^= std::byte{1}; },
      [](EpochEntry& e) { e.metadata.geometry.rows *= 2; },
      [](EpochEntry& e) { e.metadata.geometry.row_bytes += 4; },
      [](EpochEntry& e) { e.metadata.geometry.rows_per_page *= 2; },
      [](EpochEntry& e) { e.metadata.block_number = 999; },
      [](EpochEntry& e) { e.metadata.block_number.reset(); },
      [](EpochEntry& e) { e.metadata.state_root = Bytes32{}; },
      [](EpochEntry& e) { e.metadata.layout = Cuckoo3Layout{}; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto zero = document(0, {2, 1});
    changes[i](zero.retained[0]);
    const auto chosen = choose_common_epoch(zero, document(1, {1}));
    ASSERT_FALSE(chosen) << "change " << i;
    EXPECT_EQ(chosen.error().code, ErrorCode::servers_disagree) << "change " << i;
  }
}

TEST(CommonEpoch, WhatIsLocalToAServerMayDiffer) {
  auto one = document(1, {1});
  one.current.generation = "other:99";
  one.current.published_at = "2027-01-01T00:00:00Z";
  one.current.resident = {"reference"};
  EXPECT_TRUE(choose_common_epoch(document(0, {1}), one));
}

RC_GTEST_PROP(CommonEpochProperty, FollowsServerZerosOrder, ()) {
  const auto list = rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(1, 12)));
  const auto without_repeats = [](const std::vector<std::uint64_t>& salts) {
    std::vector<std::uint64_t> kept;
    for (const std::uint64_t salt : salts) {
      if (std::find(kept.begin(), kept.end(), salt) == kept.end()) kept.push_back(salt);
    }
    return kept;
  };
  const auto zero = without_repeats(*list);
  const auto one = without_repeats(*list);
  const auto expected = std::find_if(zero.begin(), zero.end(), [&](std::uint64_t salt) {
    return std::find(one.begin(), one.end(), salt) != one.end();
  });
  const auto chosen = choose_common_epoch(document(0, zero), document(1, one));
  RC_ASSERT(chosen.has_value() == (expected != zero.end()));
  if (chosen) RC_ASSERT(chosen->id == entry(*expected).id);
}

}  // namespace
}  // namespace gyre::client
