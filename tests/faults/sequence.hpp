// What the random sequences share: their snapshots, faults drawn from the table of points, the
// verdict, and the line that runs a failure again.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "fault_injection/checker.hpp"
#include "fault_injection/contents.hpp"
#include "fault_injection/injector.hpp"
#include "fault_injection/plan.hpp"
#include "tests/faults/test_snapshots.hpp"
#include "tests/faults/world.hpp"

namespace gyre::faults {

// Of all sequences.
[[nodiscard]] const TestSnapshots& snapshots();

// Every epoch that there may have been in these worlds. `one_feed`: see World::add_batches_to().
[[nodiscard]] fault_injection::Contents contents_of(const std::vector<const World*>& worlds,
                                                    bool one_feed = false);

// Fails the RapidCheck case that calls it unless the history is good.
void require_good(fault_injection::History history, const fault_injection::Contents& contents);

// Fails the RapidCheck case that calls it if the world has findings, and prints them.
void require_no_findings(const World& world);

// Up to `most` points of the table, each with something that it allows, at its first or second hit.
// Drawn from RapidCheck, inside a property.
[[nodiscard]] fault_injection::Plan some_faults(int most);

// A third of the points of the table, each with two things that it allows, every now and then.
// Drawn as above.
[[nodiscard]] fault_injection::Plan faults_now_and_then();

// As long as it lives, whoever pauses at a point of the plan is let go on after a moment.
class PauseEnder {
 public:
  PauseEnder(fault_injection::Injector& injector, const fault_injection::Plan& plan);

 private:
  std::jthread thread_;
};

// Of the threads of a case. What one of them throws would end the program, without the line that
// replays it. Thread-safe.
class Exceptions {
 public:
  template <typename Work>
  void guard(Work&& work) noexcept {
    try {
      work();
    } catch (const std::exception& thrown) {
      keep(thrown);
    }
  }
  // Fails the case if there was one. When the threads have ended.
  void require_none() const;

 private:
  void keep(const std::exception& thrown) noexcept;

  std::atomic<bool> any_ = false;
};

// Counts a sequence for every case of a property.
class FaultSequences : public testing::Test {
 protected:
  FaultSequences();
};

}  // namespace gyre::faults
