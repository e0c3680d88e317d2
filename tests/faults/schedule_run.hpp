// A schedule put to the test: queries in flight, its faults as they come, and the verdict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/fault_point.hpp"
#include "fault_injection/checker.hpp"
#include "fault_injection/plan.hpp"
#include "tests/faults/schedule.hpp"
#include "tests/faults/test_snapshots.hpp"

namespace gyre::faults {

// How often each point is hit by a program to which nothing happens. Points of queries are hit as
// often as there are queries, so their numbers are bounded.
[[nodiscard]] std::map<FaultPoint, std::uint64_t> count_hits(const TestSnapshots& snapshots,
                                                             const Program& program);

struct Outcome {
  fault_injection::Verdict verdict;
  std::set<FaultPoint> fired;
  fault_injection::Plan never_came;  // what of the plan did not, or not as often as it is to
  // Of each point when the first fault came, and when the program was over.
  std::map<FaultPoint, std::uint64_t> hits_before;
  std::map<FaultPoint, std::uint64_t> hits;
  std::vector<std::string> findings;  // beside the verdict's
  std::string replay;                 // runs it again, without what never came
  std::size_t requests = 0;
  bool queries_stood_still = false;  // while somebody paused
};

// The schedule of one fault and another one, at another point or at a later hit of the same, chosen
// from what the program came to after the first in the run that `outcome` tells of: a first fault
// often cuts a program short. The entries are in the order of the points, so that two faults are
// one schedule. Nothing if it came to no point.
[[nodiscard]] std::optional<Schedule> with_a_second_fault(const Schedule& single,
                                                          const Outcome& outcome,
                                                          std::mt19937_64& random);

// Whether the program came to the point of a single fault as often as it takes, so that a fault
// that nevertheless did not come would have changed nothing.
[[nodiscard]] bool was_reached(const Schedule& single, const Outcome& outcome);

// Runs the program under the plan with two threads of queries, and two more over HTTP if the
// program says so; then heals, changes once more with everything, and judges. Throws what a world
// throws that cannot be made or looked at.
[[nodiscard]] Outcome run(const TestSnapshots& snapshots, const Schedule& schedule);

}  // namespace gyre::faults
