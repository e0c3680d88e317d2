#include "core/epoch_writer.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/fault_point.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/written_epochs.hpp"

namespace gyre {
namespace {

using namespace std::chrono_literals;

constexpr Geometry geometry{8, 4, 2};

UpdateBatch batch(std::uint64_t seq,
                  const std::vector<std::pair<std::uint64_t, std::uint8_t>>& rows,
                  std::uint8_t table = 1) {
  return {seq, {table_update(table, geometry.row_bytes, rows)}};
}

// Rows of one table, changed as a batch changes them.
Rows with(Rows rows, const std::vector<std::pair<std::uint64_t, std::uint8_t>>& changes) {
  for (const auto& [row, value] : changes) {
    std::fill_n(rows.begin() + static_cast<std::ptrdiff_t>(row * geometry.row_bytes),
                geometry.row_bytes, std::byte{value});
  }
  return rows;
}

class EpochWriterTest : public testing::Test {
 protected:
  EpochWriterTest() { EXPECT_TRUE(epochs_.install(base_of(1, 10, geometry, first_))); }
  EpochWriter& writer() { return epochs_.writer; }

  const Rows first_ = constant_rows(geometry, 0x11);
  WrittenEpochs epochs_{{.max_overlay_rows = 6, .compact_at_rows = 4, .resend_window = 3}};
};

TEST_F(EpochWriterTest, ABatchBecomesVisibleWhole) {
  const EpochId before = epochs_.id();
  const auto applied = writer().apply(batch(11, {{0, 1}, {5, 2}}));
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->rows, 2U);
  EXPECT_FALSE(applied->resent);
  EXPECT_EQ(applied->id, epochs_.id());
  EXPECT_EQ(applied->generation, epochs_.table.current()->generation().count);
  EXPECT_EQ(epochs_.id().seq, 11U);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}, {5, 2}}));
  // The epoch before is still what it was.
  const auto earlier = epochs_.table.lease(before);
  ASSERT_TRUE(earlier);
  EXPECT_EQ(rows_of(earlier->epoch()), first_);
}

TEST_F(EpochWriterTest, ARowCanChangeAgainAndAgain) {
  ASSERT_TRUE(writer().apply(batch(11, {{3, 1}})));
  ASSERT_TRUE(writer().apply(batch(12, {{3, 2}, {4, 9}})));
  ASSERT_TRUE(writer().apply(batch(13, {{3, 0x11}})));  // as at first
  EXPECT_EQ(epochs_.rows(), with(first_, {{4, 9}}));
}

TEST_F(EpochWriterTest, TheChainNamesTheBatchesInTheirOrder) {
  const UpdateBatch one = batch(11, {{0, 1}});
  const EpochId expected = epochs_.id().after(11, binary_form(one), crypto::sha256);
  ASSERT_TRUE(writer().apply(one));
  EXPECT_EQ(epochs_.id(), expected);
}

TEST_F(EpochWriterTest, AGapNamesTheNumberThatIsExpected) {
  const EpochId before = epochs_.id();
  const auto applied = writer().apply(batch(13, {{0, 1}}));
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, ErrorCode::sequence_gap);
  EXPECT_NE(applied.error().message.find("11"), std::string::npos);
  EXPECT_EQ(epochs_.id(), before);
}

TEST_F(EpochWriterTest, TheSameBatchAgainIsAnsweredAsBefore) {
  const auto first = writer().apply(batch(11, {{0, 1}}));
  ASSERT_TRUE(writer().apply(batch(12, {{1, 1}})));
  const Generation generation = epochs_.table.current()->generation();
  const auto again = writer().apply(batch(11, {{0, 1}}));
  ASSERT_TRUE(first && again);
  EXPECT_TRUE(again->resent);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->rows, first->rows);
  EXPECT_EQ(epochs_.table.current()->generation(), generation);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}, {1, 1}}));
}

TEST_F(EpochWriterTest, AResendIsStillKnownAfterARotationToAnotherTable) {
  UpdateBatch both = batch(11, {{0, 1}});
  both.tables.push_back(table_update(2, geometry.row_bytes, {{6, 1}, {7, 1}}));
  const auto first = writer().apply(both);
  ASSERT_TRUE(epochs_.install(base_of(2, 10, geometry, constant_rows(geometry, 0x22))));
  const auto again = writer().apply(both);
  ASSERT_TRUE(first && again);
  EXPECT_TRUE(again->resent);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->rows, first->rows);
}

TEST_F(EpochWriterTest, AnotherBatchUnderAUsedNumberIsAConflict) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  EXPECT_EQ(code_of(writer().apply(batch(11, {{0, 2}}))), ErrorCode::sequence_conflict);
  EXPECT_EQ(code_of(writer().apply(batch(10, {{0, 2}}))), ErrorCode::sequence_conflict);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}}));
}

TEST_F(EpochWriterTest, AResendFromTooLongAgoIsAConflict) {
  for (std::uint64_t seq = 11; seq <= 14; ++seq) ASSERT_TRUE(writer().apply(batch(seq, {{0, 1}})));
  EXPECT_TRUE(writer().apply(batch(12, {{0, 1}})));
  EXPECT_EQ(code_of(writer().apply(batch(11, {{0, 1}}))), ErrorCode::sequence_conflict);
}

TEST_F(EpochWriterTest, ABatchThatIsNotWellFormedMovesNothing) {
  const EpochId before = epochs_.id();
  EXPECT_EQ(code_of(writer().apply({11, {}})), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(writer().apply(batch(11, {}))), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(writer().apply(batch(11, {{3, 1}, {3, 2}}))), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(writer().apply(batch(11, {{8, 1}}))), ErrorCode::malformed_request);
  UpdateBatch wide{11, {table_update(1, 8, {{0, 1}})}};
  EXPECT_EQ(code_of(writer().apply(wide)), ErrorCode::malformed_request);
  UpdateBatch unsorted{11, {table_update(2, 4, {{0, 1}}), table_update(1, 4, {{0, 1}})}};
  EXPECT_EQ(code_of(writer().apply(unsorted)), ErrorCode::malformed_request);
  EXPECT_EQ(epochs_.id(), before);
  EXPECT_TRUE(writer().apply(batch(11, {{7, 1}})));
}

TEST_F(EpochWriterTest, ABatchWithoutRowsForTheTableMovesTheFeedOn) {
  const auto applied = writer().apply(batch(11, {{0, 1}}, /*table=*/9));
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->rows, 0U);
  EXPECT_EQ(epochs_.id().seq, 11U);
  EXPECT_EQ(epochs_.rows(), first_);
}

TEST_F(EpochWriterTest, AFullOverlayRefusesUntilItIsFolded) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}, {1, 1}, {2, 1}, {3, 1}})));
  EXPECT_TRUE(writer().wants_compaction());
  const EpochId before = epochs_.id();
  const auto refused = writer().apply(batch(12, {{0, 2}, {1, 2}, {2, 2}}));
  EXPECT_EQ(code_of(refused), ErrorCode::overlay_full);
  EXPECT_EQ(epochs_.id(), before);
  const auto compacted = epochs_.compact();
  ASSERT_TRUE(compacted && *compacted);
  EXPECT_FALSE(writer().wants_compaction());
  EXPECT_EQ(epochs_.id(), before);
  ASSERT_TRUE(writer().apply(batch(12, {{0, 2}, {1, 2}, {2, 2}})));
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 2}, {1, 2}, {2, 2}, {3, 1}}));
}

TEST_F(EpochWriterTest, BeforeTheFirstBaseThereIsNothingToUpdate) {
  WrittenEpochs empty;
  EXPECT_EQ(code_of(empty.writer.apply(batch(1, {{0, 1}}))), ErrorCode::no_epoch);
  EXPECT_EQ(code_of(empty.roll_back(EpochId{})), ErrorCode::no_epoch);
  const auto compacted = empty.compact();
  ASSERT_TRUE(compacted);
  EXPECT_FALSE(*compacted);
}

TEST_F(EpochWriterTest, ANewBaseTakesOverTheBatchesAfterIt) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  ASSERT_TRUE(writer().apply(batch(12, {{1, 2}})));
  const Rows second = with(constant_rows(geometry, 0x11), {{0, 1}});
  const auto installed = epochs_.install(base_of(1, 11, geometry, second));
  ASSERT_TRUE(installed);
  EXPECT_EQ(installed->replayed, 1U);
  EXPECT_EQ(installed->discarded, 0U);
  EXPECT_EQ(epochs_.id().seq, 12U);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}, {1, 2}}));
  // And goes on from there.
  ASSERT_TRUE(writer().apply(batch(13, {{1, 3}})));
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}, {1, 3}}));
}

TEST_F(EpochWriterTest, ABaseAheadMovesTheFeedThere) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const auto installed = epochs_.install(base_of(1, 50, geometry, constant_rows(geometry, 5)));
  ASSERT_TRUE(installed);
  EXPECT_EQ(installed->replayed, 0U);
  EXPECT_EQ(epochs_.id().seq, 50U);
  EXPECT_EQ(code_of(writer().apply(batch(12, {{0, 1}}))), ErrorCode::sequence_conflict);
  EXPECT_TRUE(writer().apply(batch(51, {{0, 1}})));
}

TEST_F(EpochWriterTest, ABaseThatWouldLoseBatchesIsRefused) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const EpochId before = epochs_.id();
  const Rows second = constant_rows(geometry, 0x22);
  // Another table, for which the batch has no rows; and one of before the log begins.
  EXPECT_EQ(code_of(epochs_.install(base_of(2, 10, geometry, second))),
            ErrorCode::updates_would_be_lost);
  EXPECT_EQ(code_of(epochs_.install(base_of(1, 3, geometry, second))),
            ErrorCode::updates_would_be_lost);
  EXPECT_EQ(epochs_.id(), before);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}}));
  EXPECT_TRUE(writer().apply(batch(12, {{1, 2}})));
}

TEST_F(EpochWriterTest, WhatIsDiscardedIsCountedAndWasNeverAccepted) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  ASSERT_TRUE(writer().apply(batch(12, {{1, 1}})));
  const Rows second = constant_rows(geometry, 0x22);
  const auto installed = epochs_.install(base_of(2, 10, geometry, second), true);
  ASSERT_TRUE(installed);
  EXPECT_EQ(installed->discarded, 2U);
  EXPECT_EQ(installed->replayed, 0U);
  EXPECT_EQ(epochs_.id().seq, 10U);
  EXPECT_EQ(epochs_.rows(), second);
  // Not as if it had been applied.
  const auto again = writer().apply(batch(11, {{0, 1}}));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->resent);
}

TEST_F(EpochWriterTest, DiscardingIsNotDoneWithoutNeed) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const auto installed =
      epochs_.install(base_of(1, 10, geometry, constant_rows(geometry, 3)), true);
  ASSERT_TRUE(installed);
  EXPECT_EQ(installed->discarded, 0U);
  EXPECT_EQ(installed->replayed, 1U);
}

TEST_F(EpochWriterTest, AFailedCommitLeavesEverythingAsItWas) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const Generation generation = epochs_.table.current()->generation();
  const std::size_t held = epochs_.table.snapshot().size();
  {
    auto lock = writer().lock_rotation(1s);
    ASSERT_TRUE(lock);
    const auto installed =
        writer().install(*lock, base_of(1, 10, geometry, constant_rows(geometry, 3)), false,
                         [] { return Result<void>(fail(ErrorCode::io_failed, "a full disk")); });
    EXPECT_EQ(code_of(installed), ErrorCode::io_failed);
  }
  EXPECT_EQ(epochs_.table.current()->generation(), generation);
  EXPECT_EQ(epochs_.table.snapshot().size(), held);
  ASSERT_TRUE(writer().apply(batch(12, {{0, 2}})));
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 2}}));
}

TEST_F(EpochWriterTest, ABaseWithoutAFittingImageIsRefused) {
  EpochWriter::Base none = base_of(1, 10, geometry, first_);
  none.images.clear();
  EXPECT_EQ(code_of(epochs_.install(std::move(none))), ErrorCode::wrong_epoch_content);
  EpochWriter::Base other = base_of(1, 10, geometry, first_);
  other.metadata.geometry.rows = 4;
  EXPECT_EQ(code_of(epochs_.install(std::move(other))), ErrorCode::wrong_epoch_content);
}

TEST_F(EpochWriterTest, RollingBackRestoresRowsFeedAndName) {
  const EpochId before = epochs_.id();
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const EpochId withdrawn = epochs_.id();
  EXPECT_EQ(code_of(epochs_.roll_back(before)), ErrorCode::updates_would_be_lost);
  EXPECT_EQ(epochs_.id(), withdrawn);
  const std::uint64_t generation = epochs_.table.current()->generation().count;
  const auto back = epochs_.roll_back(before, true);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->discarded, 1U);
  EXPECT_EQ(epochs_.id(), before);
  EXPECT_GT(epochs_.table.current()->generation().count, generation);
  EXPECT_EQ(epochs_.rows(), first_);
  EXPECT_EQ(code_of(epochs_.table.lease(withdrawn)), ErrorCode::epoch_gone);
  // The batch that was taken back was never accepted.
  const auto again = writer().apply(batch(11, {{0, 1}}));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->resent);
  EXPECT_EQ(epochs_.id(), withdrawn);
}

TEST_F(EpochWriterTest, RollingBackARotationLosesNoBatchThatCameBefore) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const EpochId before = epochs_.id();
  ASSERT_TRUE(epochs_.install(base_of(1, 11, geometry, constant_rows(geometry, 0x33))));
  const EpochId withdrawn = epochs_.id();
  const auto back = epochs_.roll_back(before);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->discarded, 0U);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}}));
  EXPECT_EQ(code_of(epochs_.table.lease(withdrawn)), ErrorCode::epoch_gone);
}

TEST_F(EpochWriterTest, ThereIsNoWayBackToAnEpochThatIsGone) {
  EpochId unknown = epochs_.id();
  unknown.chain[0] ^= std::byte{1};
  EXPECT_EQ(code_of(epochs_.roll_back(unknown, true)), ErrorCode::epoch_gone);
}

TEST_F(EpochWriterTest, OneRotationAtATime) {
  auto first = writer().lock_rotation(1s);
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of(writer().lock_rotation(0ms)), ErrorCode::rotation_in_progress);
  std::stop_source stop;
  std::jthread canceller([&] { stop.request_stop(); });
  EXPECT_EQ(code_of(writer().lock_rotation(1h, stop.get_token())), ErrorCode::cancelled);
  // Batches go on meanwhile.
  EXPECT_TRUE(writer().apply(batch(11, {{0, 1}})));
  std::optional<Result<EpochWriter::RotationLock>> second;
  std::jthread waiter([&] { second.emplace(writer().lock_rotation(1h)); });
  { const EpochWriter::RotationLock over = std::move(*first); }
  waiter.join();
  EXPECT_TRUE(second->has_value());
}

// An image that stands still in with_updates() until it is told to go on.
class SlowToFold final : public Image {
 public:
  explicit SlowToFold(std::shared_ptr<const Image> inside) : inside_(std::move(inside)) {}
  const Geometry& geometry() const noexcept override { return inside_->geometry(); }
  std::string_view residency() const noexcept override { return "slow"; }
  std::string_view kernel() const noexcept override { return "none"; }
  std::uint64_t memory_bytes() const noexcept override { return 0; }
  Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    return inside_->answer(pass, answers);
  }
  Result<void> read_rows(std::uint64_t row, std::span<std::byte> out) const override {
    return inside_->read_rows(row, out);
  }
  Result<std::shared_ptr<const Image>> with_updates(const Overlay& overlay) const override {
    std::unique_lock lock(mutex);
    folding = true;
    changed.notify_all();
    changed.wait(lock, [this] { return go_on; });
    return inside_->with_updates(overlay);
  }

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  mutable bool folding = false;
  mutable bool go_on = false;

 private:
  std::shared_ptr<const Image> inside_;
};

TEST_F(EpochWriterTest, BatchesThatComeWhileTheOverlayIsFoldedStayOnTop) {
  auto base = base_of(1, 20, geometry, first_);
  const auto slow = std::make_shared<const SlowToFold>(base.images.front());
  base.images.front() = slow;
  ASSERT_TRUE(epochs_.install(std::move(base)));
  ASSERT_TRUE(writer().apply(batch(21, {{0, 1}, {1, 1}})));
  const EpochId earlier = epochs_.id();
  std::thread compaction([&] { EXPECT_TRUE(epochs_.compact()); });
  {
    std::unique_lock lock(slow->mutex);
    slow->changed.wait(lock, [&] { return slow->folding; });
  }
  ASSERT_TRUE(writer().apply(batch(22, {{1, 2}, {2, 2}})));
  const EpochId current = epochs_.id();
  const Generation generation = epochs_.table.current()->generation();
  {
    const std::lock_guard lock(slow->mutex);
    slow->go_on = true;
  }
  slow->changed.notify_all();
  compaction.join();
  EXPECT_EQ(epochs_.id(), current);
  EXPECT_EQ(epochs_.table.current()->generation(), generation);
  EXPECT_EQ(epochs_.table.current()->epoch().overlay.batches(), 1U);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}, {1, 2}, {2, 2}}));
  ASSERT_TRUE(writer().apply(batch(23, {{0, 3}, {2, 3}})));
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 3}, {1, 2}, {2, 3}}));
  const auto before = epochs_.table.lease(earlier);
  ASSERT_TRUE(before);
  EXPECT_EQ(rows_of(before->epoch()), with(first_, {{0, 1}, {1, 1}}));
}

TEST_F(EpochWriterTest, ImagesAreReplacedOnlyUnderTheEpochTheyWereMadeFor) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const EpochId id = epochs_.id();
  const std::shared_ptr<const Image> old_image = epochs_.table.current()->epoch().images.front();
  auto lock = writer().lock_rotation(1s);
  ASSERT_TRUE(lock);
  const auto replaced = writer().replace_images(*lock, *old_image, {image_of(geometry, first_)});
  ASSERT_TRUE(replaced && *replaced);
  EXPECT_EQ(epochs_.id(), id);
  EXPECT_NE(epochs_.table.current()->epoch().images.front(), old_image);
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}}));
  const auto again = writer().replace_images(*lock, *old_image, {image_of(geometry, first_)});
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
}

#if defined(GYRE_FAULT_POINTS)

FaultPoint failing_point;

TEST_F(EpochWriterTest, WhateverFailsLeavesEverythingAsItWas) {
  ASSERT_TRUE(writer().apply(batch(11, {{0, 1}})));
  const auto failing = [](FaultPoint point) -> std::optional<Error> {
    if (point != failing_point) return std::nullopt;
    return Error{ErrorCode::out_of_memory, "asked for by a test"};
  };
  const EpochId before = epochs_.id();
  const Generation generation = epochs_.table.current()->generation();
  for (const FaultPoint point :
       {FaultPoint::updates_lock, FaultPoint::overlay_append, FaultPoint::epoch_alloc,
        FaultPoint::rotation_lock, FaultPoint::compaction_build, FaultPoint::host_alloc}) {
    failing_point = point;
    auto base = base_of(1, 10, geometry, constant_rows(geometry, 3));
    set_fault_hook(failing);
    const bool applied = writer().apply(batch(12, {{0, 2}})).has_value();
    if (applied) {
      EXPECT_TRUE(point == FaultPoint::rotation_lock || point == FaultPoint::compaction_build ||
                  point == FaultPoint::host_alloc);
      set_fault_hook(nullptr);
      EXPECT_TRUE(epochs_.roll_back(before, true));
      set_fault_hook(failing);
    }
    if (point == FaultPoint::epoch_alloc || point == FaultPoint::rotation_lock) {
      EXPECT_FALSE(epochs_.install(std::move(base)));
    }
    if (point != FaultPoint::updates_lock && point != FaultPoint::overlay_append) {
      EXPECT_FALSE(epochs_.compact());
    }
    set_fault_hook(nullptr);
    EXPECT_EQ(epochs_.id(), before);
    EXPECT_EQ(epochs_.rows(), with(first_, {{0, 1}}));
  }
  EXPECT_GE(epochs_.table.current()->generation().count, generation.count);
  ASSERT_TRUE(writer().apply(batch(12, {{0, 5}})));
  EXPECT_EQ(epochs_.rows(), with(first_, {{0, 5}}));
}

#endif

}  // namespace
}  // namespace gyre
