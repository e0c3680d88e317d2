#include "core/update_log.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <limits>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/written_epochs.hpp"

namespace gyre {
namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

UpdateLog::Entry entry(std::uint64_t seq) {
  return std::make_shared<const LoggedBatch>(
      LoggedBatch{{seq, {table_update(1, 4, {{0, 1}})}}, {}, {}, 1});
}

UpdateLog log_of(std::uint64_t first, std::uint64_t last, std::uint64_t max_bytes = no_limit) {
  UpdateLog log;
  for (std::uint64_t seq = first; seq <= last; ++seq) log = *log.append(entry(seq), max_bytes);
  return log;
}

RC_GTEST_PROP(UpdateLog, KeepsWhatWasAppendedInOrder, ()) {
  const auto first = *anywhere_in<std::uint64_t>(1, 1000);
  const auto count = *anywhere_in<std::uint64_t>(0, 400);
  const UpdateLog log = log_of(first, first + count - 1);
  RC_ASSERT(log.size() == count);
  for (std::uint64_t seq = first - 1; seq <= first + count; ++seq) {
    const bool inside = seq >= first && seq < first + count;
    const auto found = log.find(seq);
    RC_ASSERT((found != nullptr) == inside);
    if (inside) RC_ASSERT(found->batch.seq == seq);
  }
  const auto all = log.range(first, first + count - 1);
  RC_ASSERT(all.has_value());
  RC_ASSERT(all->size() == count);
  for (std::uint64_t i = 0; i < count; ++i) RC_ASSERT((*all)[i]->batch.seq == first + i);
}

RC_GTEST_PROP(UpdateLog, UpToLeavesOutWhatCameLater, ()) {
  const auto count = *anywhere_in<std::uint64_t>(1, 300);
  const auto kept = *anywhere_in<std::uint64_t>(0, 310);
  const UpdateLog log = log_of(1, count);
  const auto shorter = log.up_to(kept);
  RC_ASSERT(shorter.has_value());
  RC_ASSERT(shorter->size() == std::min(kept, count));
  RC_ASSERT(shorter->find(kept + 1) == nullptr);
  RC_ASSERT(log.batches_not_in(*shorter) == count - std::min(kept, count));
  RC_ASSERT(shorter->batches_not_in(log) == 0);
  // It can be appended to like any other.
  RC_ASSERT(shorter->append(entry(count + 1), no_limit)->find(count + 1) != nullptr);
}

TEST(UpdateLog, AppendingLeavesTheShorterOneAsItWas) {
  const UpdateLog shorter = log_of(1, 70);
  const auto longer = shorter.append(entry(71), no_limit);
  ASSERT_TRUE(longer);
  EXPECT_EQ(shorter.size(), 70U);
  EXPECT_EQ(shorter.find(71), nullptr);
  EXPECT_EQ(longer->size(), 71U);
}

TEST(UpdateLog, ForgetsTheOldestBeyondItsBytes) {
  const std::uint64_t each = entry(1)->memory_bytes();
  for (const std::uint64_t room : {1U, 3U, 100U, 200U}) {
    const UpdateLog log = log_of(1, 300, room * each);
    EXPECT_LE(log.memory_bytes(), room * each);
    EXPECT_GE(log.size() + 64, room);
    EXPECT_GE(log.size(), 1U);
    EXPECT_NE(log.find(300), nullptr);
    EXPECT_EQ(log.find(1), nullptr);
    EXPECT_EQ(code_of(log.range(1, 300)), ErrorCode::updates_would_be_lost);
  }
  // One that is larger than all the room is kept all the same.
  EXPECT_EQ(log_of(1, 5, 1).size(), 1U);
}

TEST(UpdateLog, AJumpIsAGapOfItsRange) {
  UpdateLog log = log_of(1, 3);
  log = *log.append(entry(10), no_limit);
  EXPECT_EQ(code_of(log.range(3, 10)), ErrorCode::updates_would_be_lost);
  EXPECT_TRUE(log.range(10, 10));
  EXPECT_TRUE(log.range(1, 3));
  EXPECT_TRUE(log.range(11, 10));
}

}  // namespace
}  // namespace gyre
