// Every single fault at every hit of every point, then pairs, each judged by the history checker.
//
// GYRE_FAULT_SEED      chooses the pairs (default: the time)
// GYRE_FAULT_SCHEDULES how many schedules in all (default: by build)
// GYRE_FAULT_MINUTES   instead: pairs for that long
// GYRE_FAULT_SCHEDULE  only this one, as a failure printed it
#include <gtest/gtest.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fault_injection/injector.hpp"
#include "tests/faults/schedule.hpp"
#include "tests/support/sanitized.hpp"

namespace gyre::faults {
namespace {

#if defined(GYRE_SANITIZED)
constexpr std::uint64_t default_schedules = 520;
#else
constexpr std::uint64_t default_schedules = 5'200;
#endif

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::stoull(text);
}

std::uint64_t seed() {
  static const std::uint64_t chosen =
      number_from("GYRE_FAULT_SEED")
          .value_or(static_cast<std::uint64_t>(
                        std::chrono::system_clock::now().time_since_epoch().count()) /
                    1'000);
  return chosen;
}

constexpr int keep_bytes = 256 << 20;

class FaultSchedules : public testing::Test {
 protected:
  FaultSchedules() {
    spdlog::set_level(spdlog::level::off);
    // Every rotation takes a ring of some MiB: to map it anew each time costs more than all the
    // rest.
    ::mallopt(M_MMAP_THRESHOLD, keep_bytes);
    ::mallopt(M_TRIM_THRESHOLD, keep_bytes);
  }

  // `must_fire`: the plan's points are certainly hit; which thread comes first may still change
  // what a step finds to do, so one that was not is tried again.
  void run_and_judge(const Schedule& schedule, bool must_fire) {
    constexpr int tries = 5;
    ++schedules_;
    for (int i = 0; i < tries; ++i) {
      const Outcome outcome = run(snapshots_, schedule);
      requests_ += outcome.requests;
      fired_.insert(outcome.fired.begin(), outcome.fired.end());
      violations_ += outcome.verdict.violations.size();
      EXPECT_TRUE(outcome.verdict.good()) << schedule.text() << "\n" << outcome.verdict.text();
      EXPECT_FALSE(outcome.queries_stood_still)
          << "I8 alive: queries stood still while somebody paused: " << schedule.text();
      const auto happened = [&](const auto& entry) { return outcome.fired.contains(entry.point); };
      if (!must_fire || std::ranges::all_of(schedule.plan.points, happened)) return;
    }
    ADD_FAILURE() << "armed, and it never happened: " << schedule.text();
  }

  void report(std::size_t singles) const {
    std::cout << "faults: " << schedules_ << " distinct schedules (" << singles << " single, "
              << schedules_ - singles << " pairs), " << fired_.size() << " of "
              << fault_points.size() << " points fired, " << requests_ << " requests judged, "
              << violations_ << " violations, seed " << seed() << std::endl;
  }

  const TestSnapshots snapshots_;
  std::uint64_t schedules_ = 0;
  std::uint64_t requests_ = 0;
  std::size_t violations_ = 0;
  std::set<FaultPoint> fired_;
};

// The first of each point to the front: a sample has all of them.
void one_of_each_point_first(std::vector<Schedule>& schedules) {
  std::set<FaultPoint> seen;
  std::stable_partition(schedules.begin(), schedules.end(), [&](const Schedule& schedule) {
    return seen.insert(schedule.plan.points.front().point).second;
  });
}

// Two singles of one program at different points.
std::optional<Schedule> random_pair(const std::vector<Schedule>& singles, std::mt19937_64& random) {
  const Schedule& first = singles[random() % singles.size()];
  const Schedule& second = singles[random() % singles.size()];
  if (first.program != second.program) return std::nullopt;
  if (first.plan.points.front().point == second.plan.points.front().point) return std::nullopt;
  Schedule both = first;
  both.plan.points.push_back(second.plan.points.front());
  return both;
}

TEST_F(FaultSchedules, SinglesThenPairsAreSurvived) {
  if (const char* const one = std::getenv("GYRE_FAULT_SCHEDULE")) {
    run_and_judge(schedule_of(one), false);
    return;
  }
  std::cout << "seed " << seed() << " (GYRE_FAULT_SEED)" << std::endl;
  std::mt19937_64 random(seed());
  std::vector<Schedule> singles;
  for (const Program& program : programs()) {
    const auto some = single_faults(program, count_hits(snapshots_, program));
    singles.insert(singles.end(), some.begin(), some.end());
  }
  std::shuffle(singles.begin(), singles.end(), random);
  one_of_each_point_first(singles);

  const auto minutes = number_from("GYRE_FAULT_MINUTES");
  const std::uint64_t most = minutes
                                 ? std::numeric_limits<std::uint64_t>::max()
                                 : number_from("GYRE_FAULT_SCHEDULES").value_or(default_schedules);
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(minutes.value_or(0));
  std::size_t run_singles = 0;
  while (run_singles < singles.size() && run_singles < most) {
    run_and_judge(singles[run_singles++], true);
    if (HasFailure()) break;
  }
  std::set<std::string> pairs;
  while (!HasFailure() && schedules_ < most &&
         !(minutes && std::chrono::steady_clock::now() > until)) {
    const auto pair = random_pair(singles, random);
    if (pair && pairs.insert(pair->text()).second) run_and_judge(*pair, false);
  }
  report(run_singles);
  for (const FaultPointDescription& point : fault_points) {
    EXPECT_TRUE(fired_.contains(point.point)) << point.name << " never fired";
  }
}

// As if the machine had lost power there. What a restart makes of it needs a store.
TEST(FaultSchedulesDeathTest, ACrashAtAPublishIsTheEndAtOnce) {
  EXPECT_EXIT(
      {
        spdlog::set_level(spdlog::level::off);
        const TestSnapshots snapshots;
        (void)run(snapshots, schedule_of("batch: publish=1*crash"));
        std::exit(0);
      },
      testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace gyre::faults
