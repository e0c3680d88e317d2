#include "core/epoch_table.hpp"
#include "core/fault_point.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

namespace gyre {
namespace {

using namespace std::chrono_literals;

// An image that only counts how many of its kind live.
class CountedImage final : public Image {
 public:
  explicit CountedImage(std::atomic<int>& alive, std::thread::id* destroyed_on = nullptr)
      : alive_(alive), destroyed_on_(destroyed_on) {
    ++alive_;
  }
  ~CountedImage() override {
    if (destroyed_on_ != nullptr) *destroyed_on_ = std::this_thread::get_id();
    --alive_;
  }
  const Geometry& geometry() const noexcept override { return geometry_; }
  std::string_view residency() const noexcept override { return "counted"; }
  std::string_view kernel() const noexcept override { return "none"; }
  std::uint64_t memory_bytes() const noexcept override { return 0; }
  Result<void> answer(const Pass&, std::span<std::byte>) const override { return {}; }
  Result<void> read_rows(std::uint64_t, std::span<std::byte>) const override { return {}; }
  Result<std::shared_ptr<const Image>> with_updates(const Overlay&) const override {
    return fail(ErrorCode::internal, "not for this test");
  }

 private:
  Geometry geometry_{8, 4, 1};
  std::atomic<int>& alive_;
  std::thread::id* destroyed_on_;
};

class EpochTableTest : public testing::Test {
 protected:
  Epoch epoch(std::uint8_t base, std::uint64_t seq) {
    Epoch epoch;
    epoch.id.base[0] = std::byte{base};
    epoch.id.seq = seq;
    epoch.metadata.geometry = Geometry{8, 4, 1};
    epoch.metadata.block_number = base;
    epoch.images.push_back(std::make_shared<const CountedImage>(alive_));
    return epoch;
  }
  void publish(EpochTable& table, std::uint8_t base, std::uint64_t seq) {
    auto prepared = table.prepare(epoch(base, seq));
    ASSERT_TRUE(prepared);
    table.publish(std::move(*prepared));
  }
  static EpochId id(std::uint8_t base, std::uint64_t seq) {
    EpochId id;
    id.base[0] = std::byte{base};
    id.seq = seq;
    return id;
  }

  std::atomic<int> alive_ = 0;
  Retirer retirer_;
};

TEST_F(EpochTableTest, SaysNoEpochBeforeTheFirstPublish) {
  const EpochTable table("boot", {}, retirer_);
  const auto lease = table.lease(CurrentEpoch{});
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, ErrorCode::no_epoch);
  EXPECT_TRUE(table.snapshot().empty());
}

TEST_F(EpochTableTest, ServesCurrentAndRetainedByName) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 10);
  publish(table, 1, 11);
  publish(table, 2, 11);
  const auto current = table.lease(CurrentEpoch{});
  ASSERT_TRUE(current);
  EXPECT_EQ(current->epoch().id, id(2, 11));
  EXPECT_EQ(current->generation().text(), "boot:3");
  const auto earlier = table.lease(id(1, 10));
  ASSERT_TRUE(earlier);
  EXPECT_EQ(earlier->generation().count, 1U);
  EXPECT_EQ(earlier->epoch().metadata.block_number, 1U);
  const auto unknown = table.lease(id(9, 9));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::epoch_gone);
}

TEST_F(EpochTableTest, RetentionIsBoundedByEpochsBasesAndTime) {
  EpochTable table("boot", {.retain_epochs = 2, .retain_for = 60s, .retain_bases = 1}, retirer_);
  publish(table, 1, 0);
  publish(table, 1, 1);
  publish(table, 1, 2);
  publish(table, 1, 3);
  EXPECT_FALSE(table.lease(id(1, 0)));
  EXPECT_TRUE(table.lease(id(1, 1)));
  publish(table, 2, 3);
  publish(table, 3, 3);
  EXPECT_TRUE(table.lease(id(2, 3)));
  EXPECT_FALSE(table.lease(id(1, 3))) << "a second old base is more than the policy holds";
  table.expire(std::chrono::steady_clock::now() + 61s);
  EXPECT_EQ(table.snapshot().size(), 1U);
  retirer_.drain();
  EXPECT_EQ(alive_, 1) << "only the current image may be left";
}

TEST_F(EpochTableTest, MoreEpochsThanMemoryCanHoldAreAnErrorWhenOneIsPrepared) {
  EpochTable table("boot", {.retain_epochs = std::numeric_limits<std::size_t>::max()}, retirer_);
  const auto refused = table.prepare(epoch(1, 0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);
  table.expire(std::chrono::steady_clock::now());
}

TEST_F(EpochTableTest, TheLongestRetentionThatCanBeSaidIsKept) {
  EpochTable table("boot", {.retain_for = std::chrono::seconds::max()}, retirer_);
  publish(table, 1, 0);
  publish(table, 1, 1);
  table.expire(std::chrono::steady_clock::now() + 1h);
  EXPECT_TRUE(table.lease(id(1, 0)));
}

TEST_F(EpochTableTest, ALeaseKeepsItsEpochAliveAndTheRetireThreadDestroysIt) {
  EpochTable table("boot", {.retain_epochs = 0, .retain_for = 0s, .retain_bases = 0}, retirer_);
  std::thread::id destroyed_on;
  Epoch watched = epoch(1, 0);
  watched.images = {std::make_shared<const CountedImage>(alive_, &destroyed_on)};
  auto prepared = table.prepare(std::move(watched));
  ASSERT_TRUE(prepared);
  table.publish(std::move(*prepared));
  {
    const auto lease = table.lease(CurrentEpoch{});
    ASSERT_TRUE(lease);
    publish(table, 2, 0);
    retirer_.drain();
    EXPECT_EQ(alive_, 2) << "the leased epoch must outlive its withdrawal";
    EXPECT_EQ(lease->epoch().id, id(1, 0));
  }
  retirer_.drain();
  EXPECT_EQ(alive_, 1);
  EXPECT_NE(destroyed_on, std::this_thread::get_id());
}

// What a query pinned to an earlier epoch holds, when retention ends while it is answered.
TEST_F(EpochTableTest, ALeaseOnARetainedEpochKeepsItBeyondItsRetention) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 0);
  publish(table, 2, 0);
  {
    const auto pinned = table.lease(id(1, 0));
    ASSERT_TRUE(pinned);
    table.drop_other_bases();
    EXPECT_FALSE(table.lease(id(1, 0)));
    retirer_.drain();
    ASSERT_EQ(alive_, 2) << "its image went while it was leased";
    EXPECT_EQ(pinned->epoch().id, id(1, 0));
  }
  retirer_.drain();
  EXPECT_EQ(alive_, 1);
}

TEST_F(EpochTableTest, LeasesAreCountedWhateverBecomesOfThem) {
  EpochTable table("boot", RetentionPolicy{.retain_bases = 0}, retirer_);
  publish(table, 1, 0);
  EXPECT_EQ(table.leases(), 0U);
  std::optional<Lease> held = table.current();
  EXPECT_EQ(table.leases(), 1U);
  std::vector<Lease> copies(3, *held);
  EXPECT_EQ(table.leases(), 4U);
  const Lease moved = std::move(copies.back());
  copies.pop_back();
  EXPECT_EQ(table.leases(), 4U);
  publish(table, 2, 0);  // the epoch is gone, the leases are not
  EXPECT_EQ(table.snapshot().size(), 1U);
  EXPECT_EQ(table.leases(), 4U);
  copies.front() = *table.current();
  copies.back() = std::move(copies.front());
  EXPECT_EQ(table.leases(), 3U);
  held.reset();
  copies.clear();
  EXPECT_EQ(table.leases(), 1U);
}

TEST_F(EpochTableTest, APreparedEpochThatIsDroppedLeavesNoTrace) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 0);
  { const auto prepared = table.prepare(epoch(2, 0)); }
  retirer_.drain();
  EXPECT_EQ(alive_, 1);
  EXPECT_EQ(table.lease(CurrentEpoch{})->generation().count, 1U);
}

TEST_F(EpochTableTest, RefusesAnEpochWhoseImageContradictsItsMetadata) {
  EpochTable table("boot", {}, retirer_);
  Epoch contradictory = epoch(1, 0);
  contradictory.metadata.geometry.rows = 16;
  auto refused = table.prepare(std::move(contradictory));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::wrong_epoch_content);
  Epoch imageless = epoch(1, 0);
  imageless.images.clear();
  EXPECT_FALSE(table.prepare(std::move(imageless)));
}

TEST_F(EpochTableTest, AnotherRepresentationKeepsNameGenerationAndOrder) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 0);
  publish(table, 1, 1);
  for (const std::uint64_t seq : {0U, 1U}) {
    const auto before = table.lease(id(1, seq));
    auto prepared = table.prepare(epoch(1, seq));
    ASSERT_TRUE(prepared);
    const Image* const image = prepared->epoch().images.front().get();
    table.replace_representation(std::move(*prepared));
    const auto after = table.lease(id(1, seq));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->epoch().images.front().get(), image);
    EXPECT_EQ(after->generation(), before->generation());
    EXPECT_EQ(after->published_at(), before->published_at());
  }
  EXPECT_EQ(table.lease(CurrentEpoch{})->epoch().id, id(1, 1));
  auto gone = table.prepare(epoch(7, 7));
  ASSERT_TRUE(gone);
  table.replace_representation(std::move(*gone));
  EXPECT_FALSE(table.lease(id(7, 7))) << "a representation of an unknown epoch must not appear";
}

TEST_F(EpochTableTest, PublishingARetainedEpochAgainListsItOnce) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 0);
  publish(table, 2, 0);
  publish(table, 1, 0);
  const auto held = table.snapshot();
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0].epoch().id, id(1, 0));
  EXPECT_EQ(held[0].generation().count, 3U);
  EXPECT_EQ(held[1].epoch().id, id(2, 0));
}

// I3 and I4 under many readers: what `current` names never goes back, always carries its own
// metadata, and an epoch is one of those published.
TEST_F(EpochTableTest, ReadersNeverSeeGenerationsGoBackWhileEpochsArePublished) {
  EpochTable table("boot", {.retain_epochs = 3, .retain_for = 60s, .retain_bases = 1}, retirer_);
  publish(table, 0, 0);
  std::atomic<bool> stop = false;
  std::atomic<int> violations = 0;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&] {
      std::uint64_t seen = 0;
      while (!stop) {
        const auto lease = table.lease(CurrentEpoch{});
        if (!lease || lease->generation().count < seen) {
          ++violations;
          continue;
        }
        seen = lease->generation().count;
        const auto base = std::to_integer<std::uint64_t>(lease->epoch().id.base[0]);
        if (lease->epoch().metadata.block_number != base) ++violations;
        const auto held = table.snapshot();
        const bool ordered =
            std::is_sorted(held.begin(), held.end(), [](const Lease& a, const Lease& b) {
              return a.generation().count > b.generation().count;
            });
        if (!ordered || held.size() > 4) ++violations;
      }
    });
  }
  for (std::uint64_t round = 1; round <= 2000; ++round) {
    publish(table, static_cast<std::uint8_t>(round / 8), round);
    if (round % 100 == 0) table.expire(std::chrono::steady_clock::now());
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(violations, 0);
}

#if defined(GYRE_FAULT_POINTS)
TEST_F(EpochTableTest, AFailedAllocationIsAnErrorAndTheCurrentEpochStays) {
  EpochTable table("boot", {}, retirer_);
  publish(table, 1, 0);
  set_fault_hook([](FaultPoint point) -> std::optional<Error> {
    if (point != FaultPoint::epoch_alloc) return std::nullopt;
    return Error{ErrorCode::out_of_memory, "no memory for the next epoch"};
  });
  const auto refused = table.prepare(epoch(2, 0));
  set_fault_hook(nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);
  EXPECT_EQ(table.lease(CurrentEpoch{})->epoch().id, id(1, 0));
  publish(table, 2, 0);
  EXPECT_EQ(table.lease(CurrentEpoch{})->epoch().id, id(2, 0));
}
#endif

}  // namespace
}  // namespace gyre
