#include "harness/server/rotation_service.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/bytes.hpp"
#include "core/fault_point.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {
namespace {

using protocol::RotationDocument;
using protocol::RotationPhase;
using protocol::RotationState;
using protocol::SnapshotRequest;

class RotationServiceTest : public RotationTest {};

TEST_F(RotationServiceTest, AManifestBecomesTheCurrentEpoch) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const RotationDocument document = run(snapshot.by_manifest())->document();
  ASSERT_EQ(document.state, RotationState::published)
      << (document.error ? document.error->detail : "");
  EXPECT_EQ(document.epoch->id, snapshot.id());
  EXPECT_EQ(document.epoch->metadata, snapshot.manifest.metadata);
  EXPECT_EQ(document.epoch->base, snapshot.manifest.content_id);
  EXPECT_EQ(current(), snapshot.id());
  for (const std::uint64_t row : {0U, 1'048U, 1'049U, 2'399U}) {  // 1,048 lies across two chunks
    EXPECT_EQ(current_row(row), test_rows(0, rotation_geometry, row, 1));
  }
}

TEST_F(RotationServiceTest, RawRowsBecomeTheSameEpochAsWithAManifest) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const RotationDocument document = run(snapshot.raw())->document();
  ASSERT_EQ(document.state, RotationState::published)
      << (document.error ? document.error->detail : "");
  EXPECT_EQ(document.epoch->id, snapshot.id());
}

TEST_F(RotationServiceTest, ShowsPhasesBytesAndRate) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const auto rotation = run(snapshot.by_manifest());
  const RotationDocument document = rotation->document();
  EXPECT_EQ(document.bytes, snapshot.rows.size());
  EXPECT_EQ(document.total_bytes, snapshot.rows.size());
  EXPECT_GT(document.bytes_per_second, 0);
  ASSERT_EQ(document.phases.size(), protocol::rotation_phases);
  for (std::size_t i = 0; i < document.phases.size(); ++i) {
    EXPECT_EQ(document.phases[i].phase, static_cast<RotationPhase>(i));
  }
  EXPECT_EQ(service_.find(rotation->id()).value(), rotation);
  EXPECT_EQ(code_of(service_.find("nobody")), ErrorCode::not_found);
}

// Each of these is refused, leaves everything as it was, and keeps nothing from succeeding later.
class RefusedRotationTest : public RotationTest {
 protected:
  RefusedRotationTest() { install(before_); }

  void expect_refused(const std::string& code, const SnapshotRequest& request) {
    const Observed before = observe();
    EXPECT_EQ(code_of_run(request), code);
    EXPECT_TRUE(observe() == before);
    next_.publish_at(origin_);
    EXPECT_EQ(code_of_run(next_.by_manifest()), std::nullopt);
    EXPECT_EQ(current().base, next_.id().base);  // batches since go on top
  }
  // Of both kinds of request, the manifest as it is at the origin.
  void expect_rows_refused(const std::string& code) {
    expect_refused(code, snapshot_.raw());
    expect_refused(code, snapshot_.by_manifest());
  }

  TestSnapshot before_{0};
  TestSnapshot snapshot_{1};
  TestSnapshot next_{2};
};

TEST_F(RefusedRotationTest, AMissingFile) {
  expect_refused("not_found", snapshot_.by_manifest());
  expect_refused("not_found", snapshot_.raw());
}

TEST_F(RefusedRotationTest, AManifestWithoutItsRows) {
  snapshot_.publish_at(origin_);
  origin_.files.erase(snapshot_.rows_url());
  expect_refused("not_found", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, AChunkWithAnotherDigest) {
  snapshot_.rows[1'500'000] = static_cast<char>(~snapshot_.rows[1'500'000]);
  snapshot_.publish_at(origin_);
  expect_refused("digest_mismatch", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, AFileWithAnotherDigest) {
  snapshot_.rows[1'500'000] = static_cast<char>(~snapshot_.rows[1'500'000]);
  snapshot_.publish_at(origin_);
  expect_refused("digest_mismatch", snapshot_.raw());
}

TEST_F(RefusedRotationTest, AManifestWhoseWholeDigestIsWrongThoughEveryChunkIsRight) {
  snapshot_.manifest.sha256[0] ^= std::byte{1};
  snapshot_.publish_at(origin_);
  expect_refused("digest_mismatch", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, AShortFile) {
  snapshot_.rows.resize(snapshot_.rows.size() - 1'000);
  snapshot_.publish_at(origin_);
  expect_rows_refused("geometry_mismatch");
}

TEST_F(RefusedRotationTest, AShortFileOfUnknownLength) {
  snapshot_.rows.resize(snapshot_.rows.size() - 1'000);
  snapshot_.publish_at(origin_);
  origin_.files[snapshot_.rows_url()].stated_size.reset();
  expect_rows_refused("geometry_mismatch");
}

TEST_F(RefusedRotationTest, ALongFile) {
  snapshot_.rows += std::string(1'000, 'x');
  snapshot_.publish_at(origin_);
  expect_rows_refused("geometry_mismatch");
}

TEST_F(RefusedRotationTest, ALongFileOfUnknownLength) {
  snapshot_.rows += "x";
  snapshot_.publish_at(origin_);
  origin_.files[snapshot_.rows_url()].stated_size.reset();
  expect_rows_refused("geometry_mismatch");
}

TEST_F(RefusedRotationTest, AMisalignedFile) {
  snapshot_.rows.resize(snapshot_.rows.size() - 1);
  snapshot_.publish_at(origin_);
  expect_rows_refused("misaligned_size");
}

TEST_F(RefusedRotationTest, AnEmptyFile) {
  snapshot_.rows.clear();
  snapshot_.publish_at(origin_);
  expect_rows_refused("empty_snapshot");
}

TEST_F(RefusedRotationTest, AnOriginThatFailsHalfWay) {
  snapshot_.publish_at(origin_);
  auto& file = origin_.files[snapshot_.rows_url()];
  file.bytes.resize(2'000'000);
  file.error_at_end = Error{ErrorCode::source_timed_out, "the origin stalled"};
  expect_rows_refused("source_timed_out");
}

TEST_F(RefusedRotationTest, WhatIsNoManifest) {
  snapshot_.publish_at(origin_);
  for (const std::string& text : {std::string("<html>"), std::string(), std::string("{}")}) {
    origin_.serve(snapshot_.manifest_url(), text);
    expect_refused("source_failed", snapshot_.by_manifest());
    install(before_);
  }
}

TEST_F(RefusedRotationTest, AManifestThatContradictsItself) {
  snapshot_.manifest.metadata.block_number = 7;  // its content id is of other metadata
  snapshot_.publish_at(origin_);
  expect_refused("digest_mismatch", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, AnEndlessManifest) {
  origin_.serve(snapshot_.manifest_url(), std::string(std::size_t{22} << 20U, ' '));
  origin_.files[snapshot_.manifest_url()].stated_size.reset();
  expect_refused("request_too_large", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, ABaseThatWouldLoseUpdates) {
  ASSERT_TRUE(writer_.apply(test_batch(1, {0})));
  const TestSnapshot other(1, /*table_number=*/1);
  other.publish_at(origin_);
  expect_refused("updates_would_be_lost", other.by_manifest());
}

TEST_F(RefusedRotationTest, ACommitThatFails) {
  snapshot_.publish_at(origin_);
  commit_error_ = Error{ErrorCode::disk_full, "no space"};
  const Observed before = observe();
  EXPECT_EQ(code_of_run(snapshot_.by_manifest()), "disk_full");
  EXPECT_TRUE(observe() == before);
  commit_error_.reset();
  EXPECT_EQ(code_of_run(snapshot_.by_manifest()), std::nullopt);
}

TEST_F(RefusedRotationTest, ATableThatIsNoWholeNumberOfPages) {
  snapshot_.manifest.metadata.geometry.rows_per_page = 7;  // of 2,400 rows
  snapshot_.name();
  snapshot_.publish_at(origin_);
  const int opened = origin_.opened;
  expect_refused("misaligned_size", snapshot_.raw());
  EXPECT_EQ(origin_.opened, opened + 2);  // by the clean one after it
  expect_refused("misaligned_size", snapshot_.by_manifest());
}

TEST_F(RefusedRotationTest, ADefectOrAFailedAllocation) {
  snapshot_.publish_at(origin_);
  const Observed before = observe();
  at_stage_ = [] { throw std::bad_alloc(); };
  EXPECT_EQ(code_of_run(snapshot_.raw()), "out_of_memory");
  at_stage_ = [] { throw std::logic_error("on purpose"); };
  EXPECT_EQ(code_of_run(snapshot_.raw()), "internal");
  EXPECT_TRUE(observe() == before);
  at_stage_ = [] {};
  EXPECT_EQ(code_of_run(snapshot_.raw()), std::nullopt);
}

class NarrowRotationTest : public RotationTest {
 protected:
  NarrowRotationTest() : RotationTest(0, narrow()) {}
  static RotationLimits narrow() {
    RotationLimits limits = quick_limits();
    limits.max_snapshot_bytes = 1'000'000;
    limits.max_key_levels = 2;  // 512 rows
    return limits;
  }
};

TEST_F(NarrowRotationTest, ATableLargerThanIsAllowedIsRefusedUnread) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  EXPECT_EQ(code_of_run(snapshot.raw()), "request_too_large");
  EXPECT_EQ(origin_.opened, 0);
  EXPECT_EQ(code_of_run(snapshot.by_manifest()), "request_too_large");
  EXPECT_EQ(origin_.opened, 1);
}

TEST_F(NarrowRotationTest, ATableOfMoreRowsThanKeysReachIsRefusedUnread) {
  const TestSnapshot fits(0, 0, 0, {512, 100, 4});
  const TestSnapshot too_long(1, 0, 0, {516, 100, 4});
  fits.publish_at(origin_);
  too_long.publish_at(origin_);
  EXPECT_EQ(code_of_run(too_long.raw()), "key_domain_mismatch");
  EXPECT_EQ(origin_.opened, 0);
  EXPECT_EQ(code_of_run(fits.raw()), std::nullopt);
}

class RotationMemoryTest : public RotationTest {
 protected:
  // Room for one image and a half.
  RotationMemoryTest() : RotationTest(rotation_geometry.bytes() * 3 / 2) {}
};

TEST_F(RotationMemoryTest, WhatDoesNotFitBesideTheCurrentImageIsRefusedBeforeAnythingIsRead) {
  const TestSnapshot before(0);
  const TestSnapshot next(1);
  install(before);
  next.publish_at(origin_);
  origin_.at_second_read.close();  // nothing of the rows is ever read
  origin_.files[next.rows_url()].error_at_end = Error{ErrorCode::internal, "was read"};
  const Observed observed = observe();
  EXPECT_EQ(code_of_run(next.raw()), "out_of_memory");
  EXPECT_TRUE(observe() == observed);
  EXPECT_EQ(current(), before.id());
}

class TwoImagesTest : public RotationTest {
 protected:
  // Room for two images and a bit.
  TwoImagesTest() : RotationTest(rotation_geometry.bytes() * 5 / 2) {}
};

TEST_F(TwoImagesTest, BasesThatNobodyUsesGiveWay) {
  for (unsigned number = 0; number < 5; ++number) {
    const TestSnapshot snapshot(number);
    install(snapshot);
    EXPECT_EQ(current(), snapshot.id());
  }
}

TEST_F(TwoImagesTest, AnOldImageThatSomebodyStillReadsIsNotTaken) {
  install(TestSnapshot(0));
  auto reader = std::make_unique<Lease>(epochs_.lease(CurrentEpoch{}).value());
  install(TestSnapshot(1));
  const TestSnapshot third(2);
  third.publish_at(origin_);
  EXPECT_EQ(code_of_run(third.by_manifest()), "out_of_memory");
  EXPECT_EQ(current(), TestSnapshot(1).id());
  reader.reset();
  EXPECT_EQ(code_of_run(third.by_manifest()), std::nullopt);
}

TEST_F(RotationServiceTest, ASnapshotThatIsCurrentAlreadyChangesNothing) {
  const TestSnapshot snapshot(0);
  install(snapshot);
  ASSERT_TRUE(writer_.apply(test_batch(1, {0})));
  const Observed before = observe();
  for (const SnapshotRequest& request : {snapshot.raw(), snapshot.by_manifest()}) {
    const RotationDocument document = run(request)->document();
    EXPECT_EQ(document.state, RotationState::unchanged);
    ASSERT_TRUE(document.epoch);
    EXPECT_EQ(document.epoch->id, current());
    EXPECT_TRUE(observe() == before);
  }
}

TEST_F(RotationServiceTest, AnEqualManifestIsNotEvenDownloaded) {
  const TestSnapshot snapshot(0);
  install(snapshot);
  const int opened = origin_.opened;
  EXPECT_EQ(run(snapshot.by_manifest())->document().state, RotationState::unchanged);
  EXPECT_EQ(origin_.opened, opened + 1);
}

TEST_F(RotationServiceTest, EqualRowsUnderAnotherBlockAreAnotherSnapshot) {
  TestSnapshot snapshot(0);
  install(snapshot);
  snapshot.manifest.metadata.block_number = 8;
  snapshot.name();
  snapshot.publish_at(origin_);
  const RotationDocument document = run(snapshot.raw())->document();
  EXPECT_EQ(document.state, RotationState::published);
  EXPECT_EQ(document.epoch->metadata.block_number, 8U);
}

TEST_F(RotationServiceTest, NothingIsDownloadedBeforeTheLockIsHeld) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  std::shared_ptr<Rotation> rotation;
  {
    auto lock = writer_.lock_rotation(std::chrono::milliseconds(0));
    ASSERT_TRUE(lock);
    rotation = service_.start(snapshot.raw()).value();
    EXPECT_EQ(rotation->document().phase, RotationPhase::lock);
    EXPECT_EQ(origin_.opened, 0);
  }
  rotation->wait();
  EXPECT_EQ(rotation->document().state, RotationState::published);
}

class ImpatientRotationTest : public RotationTest {
 protected:
  ImpatientRotationTest() : RotationTest(0, impatient()) {}
  static RotationLimits impatient() {
    RotationLimits limits;
    limits.lock_timeout = std::chrono::milliseconds(1);
    return limits;
  }
};

TEST_F(ImpatientRotationTest, ASecondRotationIsRefusedWhileOneIsUnderWay) {
  const TestSnapshot first(0);
  const TestSnapshot second(1);
  first.publish_at(origin_);
  second.publish_at(origin_);
  origin_.at_open.close();
  const auto rotation = service_.start(first.raw()).value();
  origin_.at_open.wait_for_arrival();
  EXPECT_EQ(code_of_run(second.raw()), "rotation_in_progress");
  EXPECT_EQ(origin_.opened, 1);
  EXPECT_EQ(code_of(service_.roll_back({first.id(), false})), ErrorCode::rotation_in_progress);
  origin_.at_open.open();
  rotation->wait();
  EXPECT_EQ(current(), first.id());
}

TEST_F(RotationServiceTest, ConcurrentRotationsGoOneAfterAnotherEachWithItsOwnMetadata) {
  std::vector<TestSnapshot> snapshots;
  for (unsigned number = 0; number < 4; ++number) {
    snapshots.emplace_back(number, number, 0, Geometry{64, 1'000, 4});
    snapshots.back().manifest.metadata.block_number = number;
    snapshots.back().name();
    snapshots.back().publish_at(origin_);
  }
  std::vector<std::shared_ptr<Rotation>> rotations;
  for (const TestSnapshot& snapshot : snapshots) {
    rotations.push_back(service_.start(snapshot.raw()).value());
  }
  std::map<std::string, std::uint64_t> block_by_generation;
  for (std::size_t i = 0; i < rotations.size(); ++i) {
    rotations[i]->wait();
    const RotationDocument document = rotations[i]->document();
    ASSERT_EQ(document.state, RotationState::published);
    EXPECT_EQ(document.epoch->id, snapshots[i].id());
    EXPECT_EQ(document.epoch->metadata.block_number, i);
    block_by_generation[document.epoch->generation] = i;
  }
  // Four publishes, and the last of them is what is current.
  ASSERT_EQ(block_by_generation.size(), 4U);
  EXPECT_EQ(block_by_generation.rbegin()->first, epochs_.boot() + ":4");
  EXPECT_EQ(current(), snapshots[block_by_generation.rbegin()->second].id());
}

TEST_F(RotationServiceTest, MoreThanMayWaitAreTurnedAway) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_open.close();
  for (std::size_t i = 0; i < RotationService::max_running; ++i) {
    ASSERT_TRUE(service_.start(snapshot.raw()));
  }
  EXPECT_EQ(code_of(service_.start(snapshot.raw())), ErrorCode::rotation_in_progress);
}

TEST_F(RotationServiceTest, RemembersTheLastHundred) {
  std::string first;
  for (std::size_t i = 0; i < RotationService::kept + 5; ++i) {
    const auto rotation = run(TestSnapshot(0, 0, 0, {4, 4, 4}).raw());  // not there
    if (first.empty()) first = rotation->id();
  }
  service_.stop();  // what has ended is counted a little later
  EXPECT_EQ(service_.list().size(), RotationService::kept);
  EXPECT_EQ(code_of(service_.find(first)), ErrorCode::not_found);
  EXPECT_NE(metrics_.text({}).find(R"(gyre_rotations_total{code="not_found",state="failed"} )" +
                                   std::to_string(RotationService::kept + 5) + "\n"),
            std::string::npos)
      << metrics_.text({});
}

// Stopping: by a cancellation of the one, and by the end of the service.
class StoppedRotationTest : public RotationTest, public testing::WithParamInterface<bool> {
 protected:
  StoppedRotationTest() {
    install(before_);
    next_.publish_at(origin_);
  }

  void stop(
      Rotation& rotation, const std::function<void()>& after_asking = [] {}) {
    if (GetParam()) {
      rotation.cancel();
      after_asking();
    } else {
      std::jthread stopping([this] { service_.stop(); });
      const auto token = rotation.stop_token();
      std::mutex mutex;
      std::condition_variable_any asked;
      std::unique_lock lock(mutex);
      asked.wait(lock, token, [] { return false; });
      lock.unlock();
      after_asking();
    }
    rotation.wait();
  }
  void expect_as_before(const Rotation& rotation, const Observed& before) {
    const RotationDocument document = rotation.document();
    EXPECT_EQ(document.state, RotationState::cancelled);
    ASSERT_TRUE(document.error);
    EXPECT_EQ(document.error->code, "cancelled");
    EXPECT_TRUE(observe() == before);
    EXPECT_EQ(current(), before_.id());
    const bool cancelled = GetParam();
    if (cancelled) {
      EXPECT_EQ(code_of_run(next_.by_manifest()), std::nullopt);
    } else {
      EXPECT_EQ(code_of(service_.start(next_.by_manifest())), ErrorCode::draining);
    }
  }

  TestSnapshot before_{0};
  TestSnapshot next_{1};
};

TEST_P(StoppedRotationTest, WhileItWaitsForTheLock) {
  const Observed before = observe();
  std::shared_ptr<Rotation> rotation;
  {
    auto lock = writer_.lock_rotation(std::chrono::milliseconds(0));
    ASSERT_TRUE(lock);
    rotation = service_.start(next_.raw()).value();
    stop(*rotation);
  }
  expect_as_before(*rotation, before);
}

TEST_P(StoppedRotationTest, WhileItOpens) {
  const Observed before = observe();
  origin_.at_open.close();
  const auto rotation = service_.start(next_.by_manifest()).value();
  origin_.at_open.wait_for_arrival();
  stop(*rotation);
  origin_.at_open.open();
  EXPECT_EQ(rotation->document().phase, RotationPhase::open);
  expect_as_before(*rotation, before);
}

TEST_P(StoppedRotationTest, WhileItStreams) {
  const Observed before = observe();
  origin_.at_second_read.close();
  const auto rotation = service_.start(next_.raw()).value();
  origin_.at_second_read.wait_for_arrival();
  EXPECT_GT(backend_->memory_used_bytes(), before.memory_bytes);
  stop(*rotation);
  origin_.at_second_read.open();
  EXPECT_EQ(rotation->document().phase, RotationPhase::stream);
  expect_as_before(*rotation, before);
}

TEST_P(StoppedRotationTest, WhileItSeals) {
  const Observed before = observe();
  at_seal_.close();
  const auto rotation = service_.start(next_.raw()).value();
  at_seal_.wait_for_arrival();
  stop(*rotation, [this] { at_seal_.open(); });
  expect_as_before(*rotation, before);
}

TEST_P(StoppedRotationTest, NotAfterTheCommitHasBegun) {
  at_commit_.close();
  const auto rotation = service_.start(next_.raw()).value();
  at_commit_.wait_for_arrival();
  EXPECT_EQ(rotation->document().phase, RotationPhase::commit);
  stop(*rotation, [this] { at_commit_.open(); });
  EXPECT_EQ(rotation->document().state, RotationState::published);
  EXPECT_EQ(current(), next_.id());
}

INSTANTIATE_TEST_SUITE_P(, StoppedRotationTest, testing::Bool(), [](const auto& tested) {
  return tested.param ? std::string("Cancelled") : std::string("ShutDown");
});

TEST_F(RotationServiceTest, CancellingWhatHasEndedChangesNothing) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const auto rotation = run(snapshot.raw());
  rotation->cancel();
  EXPECT_EQ(rotation->document().state, RotationState::published);
  EXPECT_EQ(current(), snapshot.id());
}

class UpdatesDuringRotationTest : public RotationTest {
 protected:
  UpdatesDuringRotationTest() {
    install(before_);
    next_.publish_at(origin_);
  }
  // Applies the batch while the rotation streams.
  RotationDocument rotate_around(const UpdateBatch& batch, bool discard = false) {
    origin_.at_second_read.close();
    SnapshotRequest request = next_.raw();
    request.discard_updates = discard;
    const auto rotation = service_.start(request).value();
    origin_.at_second_read.wait_for_arrival();
    EXPECT_TRUE(writer_.apply(batch));
    EXPECT_EQ(current().seq, batch.seq);
    origin_.at_second_read.open();
    rotation->wait();
    return rotation->document();
  }

  TestSnapshot before_{0, 0};
  TestSnapshot next_{1, 1};
};

TEST_F(UpdatesDuringRotationTest, ForBothTablesAreReplayedOverTheNewBase) {
  const RotationDocument document = rotate_around(test_batch(1, {0, 1}));
  ASSERT_EQ(document.state, RotationState::published);
  EXPECT_EQ(document.replayed, 1U);
  EXPECT_EQ(document.discarded, 0U);
  EXPECT_EQ(document.epoch->id.seq, 1U);
  EXPECT_EQ(document.epoch->id, current());
  EXPECT_EQ(current_row(5), std::vector<std::byte>(1'000, std::byte{1}));
  EXPECT_EQ(current_row(6), test_rows(1, rotation_geometry, 6, 1));
}

TEST_F(UpdatesDuringRotationTest, ForTheOldTableAloneWouldBeLost) {
  const RotationDocument document = rotate_around(test_batch(1, {0}));
  ASSERT_EQ(document.state, RotationState::failed);
  EXPECT_EQ(document.error->code, "updates_would_be_lost");
  EXPECT_EQ(current().seq, 1U);
  EXPECT_EQ(current_row(5), std::vector<std::byte>(1'000, std::byte{1}));
}

TEST_F(UpdatesDuringRotationTest, ForTheOldTableAloneAreCountedWhenTheyMayBeLost) {
  const RotationDocument document = rotate_around(test_batch(1, {0}), /*discard=*/true);
  ASSERT_EQ(document.state, RotationState::published);
  EXPECT_EQ(document.discarded, 1U);
  EXPECT_EQ(current_row(5), test_rows(1, rotation_geometry, 5, 1));
}

TEST_F(RotationServiceTest, RollbackMakesARetainedEpochCurrentAgain) {
  const TestSnapshot first(0);
  const TestSnapshot second(1);
  install(first);
  install(second);
  auto installed = service_.roll_back({first.id(), false});
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(installed->lease.epoch().id, first.id());
  EXPECT_EQ(installed->lease.generation().count, 3U);
  EXPECT_EQ(current(), first.id());
  EXPECT_EQ(code_of(epochs_.lease(second.id())), ErrorCode::epoch_gone);
  EXPECT_EQ(code_of(service_.roll_back({second.id(), false})), ErrorCode::epoch_gone);
}

TEST_F(RotationServiceTest, RollbackCountsWhatItTakesBack) {
  const TestSnapshot snapshot(0);
  install(snapshot);
  ASSERT_TRUE(writer_.apply(test_batch(1, {0})));
  EXPECT_EQ(code_of(service_.roll_back({snapshot.id(), false})), ErrorCode::updates_would_be_lost);
  const auto installed = service_.roll_back({snapshot.id(), true});
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(installed->discarded, 1U);
  EXPECT_EQ(current(), snapshot.id());
}

TEST_F(RotationServiceTest, AServiceThatStoppedDoesNothingMore) {
  service_.stop();
  EXPECT_EQ(code_of(service_.start(TestSnapshot(0).raw())), ErrorCode::draining);
  EXPECT_EQ(code_of(service_.roll_back({TestSnapshot(0).id(), false})), ErrorCode::draining);
}

#if defined(GYRE_FAULT_POINTS)

// Holds whoever reaches one fault point, and makes him fail if told to.
struct HeldPoint {
  static inline FaultPoint point = FaultPoint::validate;
  static inline Gate gate;
  static inline std::optional<Error> error;

  static std::optional<Error> hook(FaultPoint reached) {
    if (reached != point) return std::nullopt;
    gate.pass();
    return error;
  }
  HeldPoint(FaultPoint held, std::optional<Error> failure) {
    point = held;
    error = std::move(failure);
    set_fault_hook(&hook);
  }
  ~HeldPoint() {
    gate.open();
    set_fault_hook(nullptr);
  }
  HeldPoint(const HeldPoint&) = delete;
  HeldPoint& operator=(const HeldPoint&) = delete;
};

TEST_F(RefusedRotationTest, FaultsOfDigestAndValidation) {
  for (const FaultPoint point : {FaultPoint::source_digest, FaultPoint::validate}) {
    install(before_);
    snapshot_.publish_at(origin_);
    const Observed before = observe();
    {
      const HeldPoint held(point, Error{ErrorCode::internal, "on purpose"});
      EXPECT_EQ(code_of_run(snapshot_.raw()), "internal");
      EXPECT_TRUE(observe() == before);
    }
    EXPECT_EQ(code_of_run(snapshot_.raw()), std::nullopt);
  }
}

TEST_F(RotationServiceTest, AFaultOfRetiringLeavesTheNewEpochPublished) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const HeldPoint held(FaultPoint::retire, Error{ErrorCode::internal, "on purpose"});
  EXPECT_EQ(code_of_run(snapshot.raw()), std::nullopt);
  EXPECT_EQ(current(), snapshot.id());
}

TEST_P(StoppedRotationTest, NotWhileItRetires) {
  HeldPoint::gate.close();
  const HeldPoint held(FaultPoint::retire, std::nullopt);
  const auto rotation = service_.start(next_.raw()).value();
  HeldPoint::gate.wait_for_arrival();
  stop(*rotation, [] { HeldPoint::gate.open(); });
  EXPECT_EQ(rotation->document().state, RotationState::published);
  EXPECT_EQ(current(), next_.id());
}

TEST_P(StoppedRotationTest, WhileItDigestsOrValidates) {
  for (const FaultPoint point : {FaultPoint::source_digest, FaultPoint::validate}) {
    HeldPoint::gate.close();
    const Observed before = observe();
    const HeldPoint held(point, std::nullopt);
    const auto rotation = service_.start(next_.raw()).value();
    HeldPoint::gate.wait_for_arrival();
    stop(*rotation, [] { HeldPoint::gate.open(); });
    EXPECT_EQ(rotation->document().state, RotationState::cancelled);
    EXPECT_TRUE(observe() == before);
    if (!GetParam()) break;  // it is over
  }
}

#endif

}  // namespace
}  // namespace gyre::server
