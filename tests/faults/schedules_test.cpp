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
#include <exception>
#include <iostream>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fault_injection/injector.hpp"
#include "tests/faults/last_words.hpp"
#include "tests/faults/schedule.hpp"
#include "tests/faults/schedule_run.hpp"
#include "tests/faults/terms.hpp"
#include "tests/support/sanitized.hpp"

namespace gyre::faults {
namespace {

// So many have every single fault among them.
constexpr std::uint64_t thorough_schedules = 5'200;
// One of so many is a pair where there are fewer.
constexpr std::uint64_t pairs_of_sample = 5;
#if defined(GYRE_SANITIZED)
constexpr std::uint64_t default_schedules = 520;
#else
constexpr std::uint64_t default_schedules = thorough_schedules;
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

bool anything_happens(const fault_injection::PointPlan& entry) {
  return std::ranges::any_of(entry.terms,
                             [](const auto& term) { return term.action != FaultAction::off; });
}

// What a single fault does.
fault_injection::Term term_of(const Schedule& single) {
  auto term = single.plan.points.front().terms.back();
  term.count.reset();
  return term;
}

// Whether its fault breaks nothing where few bytes pass, or none, as at the end of a stream.
bool needs_bytes(const Schedule& single) {
  const FaultAction action = term_of(single).action;
  return action == FaultAction::partial || action == FaultAction::corrupt;
}

// What happens, and where; but for the hit.
using Kind = std::pair<FaultPoint, std::string>;
Kind kind_of(const Schedule& single) {
  return {single.plan.points.front().point, text_of(term_of(single))};
}

class FaultSchedules : public testing::Test {
 protected:
  FaultSchedules() {
    spdlog::set_level(spdlog::level::off);
    // Every rotation takes a ring of some MiB: to map it anew each time costs more than all the
    // rest.
    ::mallopt(M_MMAP_THRESHOLD, keep_bytes);
    ::mallopt(M_TRIM_THRESHOLD, keep_bytes);
  }

  Outcome run_and_judge(const Schedule& schedule) {
    set_last_words("\nit ended in the middle of: " + schedule.replay() + "\n");
    Outcome outcome;
    try {
      outcome = run(snapshots_, schedule);
    } catch (const std::exception& thrown) {
      ADD_FAILURE() << "thrown: " << thrown.what() << "; replay: " << schedule.replay();
    }
    set_last_words({});
    requests_ += outcome.requests;
    fired_.insert(outcome.fired.begin(), outcome.fired.end());
    violations_ += outcome.verdict.violations.size() + outcome.findings.size();
    EXPECT_TRUE(outcome.verdict.good()) << schedule.text() << "\n" << outcome.verdict.text();
    for (const std::string& finding : outcome.findings) {
      ADD_FAILURE() << finding << "; replay: " << outcome.replay;
    }
    EXPECT_FALSE(outcome.queries_stood_still)
        << "I8 alive: queries stood still while somebody paused; replay: " << outcome.replay;
    return outcome;
  }

  // Of a plan of which all must come. Which thread comes first may change what a step finds to do,
  // so one that did not is tried again. `unless`: ends the tries as well.
  template <typename Condition>
  Outcome run_until_all_came(const Schedule& schedule, Condition&& unless) {
    constexpr int tries = 5;
    for (int i = 1;; ++i) {
      Outcome outcome = run_and_judge(schedule);
      if (outcome.never_came.points.empty() || unless(outcome)) return outcome;
      if (i == tries) {
        ADD_FAILURE() << text_of(outcome.never_came) << " is armed, and it never came in " << tries
                      << " runs of: " << schedule.text();
        return outcome;
      }
    }
  }

  // Schedules. In vain: a fault of it never came, or left what passed as it was.
  struct Count {
    std::size_t all_singles = 0;  // that there are
    std::size_t singles = 0;
    std::size_t pairs = 0;
    std::size_t singles_in_vain = 0;
    std::size_t pairs_in_vain = 0;

    [[nodiscard]] bool every_single_was_tried() const {
      return singles + singles_in_vain == all_singles;
    }
  };

  void report(const Count& count) const {
    std::cout << "faults: " << count.singles + count.pairs << " distinct schedules ("
              << count.singles << " single, " << count.pairs << " pairs), " << fired_.size()
              << " of " << fault_points.size() << " points fired, " << requests_
              << " requests judged, " << violations_ << " violations, seed " << seed()
              << "\nfaults: of " << count.all_singles << " single faults "
              << count.singles + count.singles_in_vain << " were tried, " << count.singles_in_vain
              << " of which changed no byte; " << count.pairs_in_vain
              << " pairs are not counted, because one of their faults never came" << std::endl;
  }

  // Every point has failed in every way that the table of points gives it.
  void expect_everything_came() const {
    for (const FaultPointDescription& point : fault_points) {
      for (const auto& term : terms_at(point)) {
        EXPECT_TRUE(came_.contains({point.point, text_of(term)}))
            << point.name << "=" << text_of(term) << " never came as a single fault";
      }
    }
  }

  const TestSnapshots snapshots_;
  std::uint64_t requests_ = 0;
  std::size_t violations_ = 0;
  std::set<FaultPoint> fired_;
  std::set<Kind> came_;  // as single faults
};

// The first of each kind to the front: a sample has all of them.
void one_of_each_kind_first(std::vector<Schedule>& singles) {
  std::set<Kind> seen;
  std::stable_partition(singles.begin(), singles.end(), [&](const Schedule& single) {
    return seen.insert(kind_of(single)).second;
  });
}

TEST_F(FaultSchedules, SinglesThenPairsAreSurvived) {
  if (const char* const one = std::getenv("GYRE_FAULT_SCHEDULE")) {
    const Schedule schedule = schedule_of(one);
    // Without a plan: what was found in a run of which no fault came.
    ASSERT_TRUE(schedule.plan.points.empty() ||
                std::ranges::any_of(schedule.plan.points, anything_happens))
        << "nothing happens in the plan";
    (void)run_until_all_came(schedule, [](const Outcome&) { return false; });
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
  one_of_each_kind_first(singles);

  const auto minutes = number_from("GYRE_FAULT_MINUTES");
  const std::uint64_t most = minutes
                                 ? std::numeric_limits<std::uint64_t>::max()
                                 : number_from("GYRE_FAULT_SCHEDULES").value_or(default_schedules);
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(minutes.value_or(0));
  // A sample has pairs, too.
  const std::uint64_t most_singles =
      most >= thorough_schedules ? most : most - most / pairs_of_sample;
  Count count{.all_singles = singles.size()};
  std::vector<std::pair<const Schedule*, Outcome>> came;
  for (const Schedule& single : singles) {
    if (HasFailure()) break;
    if (came.size() >= most_singles && came_.contains(kind_of(single))) continue;
    Outcome outcome = run_until_all_came(single, [&](const Outcome& tried) {
      return needs_bytes(single) && was_reached(single, tried);
    });
    if (outcome.never_came.points.empty()) {
      came_.insert(kind_of(single));
      came.emplace_back(&single, std::move(outcome));
    } else {
      ++count.singles_in_vain;
    }
  }
  count.singles = came.size();
  std::set<std::string> tried;
  while (!HasFailure() && came.size() + count.pairs < most &&
         !(minutes && std::chrono::steady_clock::now() > until)) {
    const auto& [single, outcome] = came[random() % came.size()];
    const auto pair = with_a_second_fault(*single, outcome, random);
    if (!pair || !tried.insert(pair->text()).second) continue;
    if (run_and_judge(*pair).never_came.points.empty()) {
      ++count.pairs;
    } else {
      ++count.pairs_in_vain;
    }
  }
  report(count);
  if (HasFailure()) return;
  expect_everything_came();
  if (most >= thorough_schedules) {
    EXPECT_TRUE(count.every_single_was_tried());
  }
}

TEST_F(FaultSchedules, WhatNeverCameIsNamed) {
  const Outcome outcome =
      run(snapshots_, schedule_of("batch: epoch.alloc=1*return;source.open=1*return"));
  EXPECT_TRUE(outcome.verdict.good()) << outcome.verdict.text();
  EXPECT_EQ(outcome.fired, std::set{FaultPoint::epoch_alloc});
  ASSERT_EQ(outcome.never_came.points.size(), 1U);
  EXPECT_EQ(outcome.never_came.points.front().point, FaultPoint::source_open);
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
