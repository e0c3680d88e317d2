#include "fault_injection/injector.hpp"

#include <gtest/gtest.h>

#if defined(GYRE_FAULT_POINTS)

#include <array>
#include <set>
#include <stdexcept>
#include <thread>

#include "core/epoch_table.hpp"
#include "core/retirer.hpp"

namespace gyre::fault_injection {
namespace {

Plan plan(std::string_view text) {
  auto parsed = parse_plan(text);
  if (!parsed) throw std::invalid_argument(parsed.error().message);
  return *parsed;
}

Result<void> pass() {
  GYRE_FAULT_POINT(validate);
  return {};
}

// One letter for every hit: `.` passes, the rest fails.
std::string passes(int hits) {
  std::string letters;
  for (int i = 0; i < hits; ++i) letters += pass() ? '.' : 'x';
  return letters;
}

TEST(Injector, TermsFollowOneAnother) {
  Injector injector(plan("validate=2*off->1*return->1*off->2*return"));
  EXPECT_EQ(passes(8), "..x.xx..");
  EXPECT_EQ(injector.counts(FaultPoint::validate).hits, 8U);
  EXPECT_EQ(injector.counts(FaultPoint::validate).firings, 3U);
  const auto firings = injector.firings();
  ASSERT_EQ(firings.size(), 3U);
  EXPECT_EQ(firings[1].hit, 5U);
  EXPECT_EQ(text_of(firings[1]), "validate hit 5: return(digest_mismatch)");
}

TEST(Injector, PercentagesAreTheSeedsAlone) {
  const auto run = [](std::uint64_t seed) {
    const Injector injector(plan("validate=30%return"), seed);
    return passes(1'000);
  };
  const std::string first = run(1);
  EXPECT_EQ(run(1), first);
  EXPECT_NE(run(2), first);
  const auto failed = std::count(first.begin(), first.end(), 'x');
  EXPECT_GT(failed, 200);
  EXPECT_LT(failed, 400);
}

TEST(Injector, WhoOnlyLooksIsNotCountedAndNothingHappensToIt) {
  Injector injector(plan("validate=1*return"));
  {
    const Injector::OnlyLooking looking;
    EXPECT_EQ(passes(2), "..");
  }
  EXPECT_EQ(injector.counts(FaultPoint::validate).hits, 0U);
  EXPECT_EQ(passes(2), "x.");
}

TEST(Injector, SaysWhichPointsNobodyCameTo) {
  Injector injector(plan("validate=off;retire=return;epoch.alloc=pause"));
  EXPECT_TRUE(pass());
  EXPECT_EQ(injector.never_hit(),
            (std::vector<FaultPoint>{FaultPoint::epoch_alloc, FaultPoint::retire}));
  injector.arm(plan("validate=return"));
  EXPECT_EQ(injector.never_hit(), std::vector<FaultPoint>{FaultPoint::validate});
}

TEST(Injector, CountsWhatItDoesNotTouch) {
  const Injector injector;
  EXPECT_EQ(passes(3), "...");
  EXPECT_EQ(injector.counts(FaultPoint::validate).hits, 3U);
  EXPECT_EQ(injector.counts(FaultPoint::validate).firings, 0U);
}

TEST(Injector, ThereIsOneAtATimeAndNothingAfterIt) {
  {
    const Injector injector(plan("validate=return"));
    EXPECT_THROW(Injector(), std::logic_error);
    EXPECT_EQ(passes(1), "x");
  }
  EXPECT_EQ(passes(1), ".");
  const Injector another;
}

TEST(Injector, WhoPausesGoesOnWhenReleasedOrWhenThePlanEnds) {
  Injector injector(plan("validate=pause"));
  for (const bool by_release : {true, false}) {
    std::thread waiting([] { EXPECT_TRUE(pass()); });
    while (!injector.is_paused(FaultPoint::validate)) std::this_thread::yield();
    if (by_release) {
      injector.release(FaultPoint::validate);
    } else {
      injector.disarm();
    }
    waiting.join();
    EXPECT_FALSE(injector.is_paused(FaultPoint::validate));
  }
}

TEST(Injector, TellsOfEveryFiringOnItsThread) {
  std::vector<std::thread::id> told;
  {
    const Injector injector(plan("validate=1*delay(0)->return"), 1,
                            [&](const Firing&) { told.push_back(std::this_thread::get_id()); });
    EXPECT_EQ(passes(2), ".x");
  }
  EXPECT_EQ(told, std::vector(2, std::this_thread::get_id()));
}

Result<std::size_t> deliver(std::span<std::byte> bytes) {
  GYRE_FAULT_POINT_OF_BYTES(source_read, bytes);
  return bytes.size();
}

Result<std::vector<std::byte>> send(std::span<const std::byte> bytes) {
  GYRE_FAULT_POINT_OF_BYTES(device_upload, bytes);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

int changed_bits(std::span<const std::byte> bytes) {
  int bits = 0;
  for (const std::byte byte : bytes) bits += std::popcount(std::to_integer<unsigned>(byte));
  return bits;
}

TEST(Injector, ShortensAndChangesWhatArrives) {
  const Injector injector(plan("source.read=1*partial(3)->1*partial(99)->corrupt(5)"));
  std::array<std::byte, 10> bytes{};
  EXPECT_EQ(deliver(bytes), 3U);
  EXPECT_EQ(deliver(bytes), 10U);
  EXPECT_EQ(changed_bits(bytes), 0);
  EXPECT_EQ(deliver(bytes), 10U);
  EXPECT_EQ(changed_bits(bytes), 5);
}

TEST(Injector, ChangesWhatIsSentOnItsWayAndNotAtItsSender) {
  const Injector injector(plan("device.upload=1*partial(2)->corrupt(7)"));
  const std::array<std::byte, 4> bytes{};
  EXPECT_EQ(send(bytes)->size(), 2U);
  EXPECT_EQ(changed_bits(*send(bytes)), 7);
  EXPECT_EQ(changed_bits(bytes), 0);
}

TEST(InjectorDeathTest, ACrashIsTheEndAtOnce) {
  EXPECT_EXIT(
      {
        const Injector injector(plan("validate=crash"));
        (void)pass();
        std::exit(0);
      },
      testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace gyre::fault_injection

#endif
