// A program of changes, and faults to put into it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fault_point.hpp"
#include "fault_injection/plan.hpp"
#include "tests/faults/test_snapshots.hpp"
#include "tests/faults/world.hpp"

namespace gyre::faults {

struct Program {
  std::string_view name;
  DeviceRoom room;
  std::vector<void (*)(World&, const TestSnapshots&)> steps;
  // What must succeed when there are no faults any more, beside what heals a world.
  void (*once_more)(World&, const TestSnapshots&, bool must) = nullptr;
  // Some of the queries come over real sockets.
  bool over_http = false;
};

// Rotation, batch, compaction, rollback, promotion: each alone, and one after another.
[[nodiscard]] std::span<const Program> programs();

struct Schedule {
  const Program* program = nullptr;
  fault_injection::Plan plan;

  // "program: plan", which is also how one is named that is to run again.
  [[nodiscard]] std::string text() const;
  // What to type to run it again.
  [[nodiscard]] std::string replay() const;
};

// Of a text() as above. Throws std::invalid_argument.
[[nodiscard]] Schedule schedule_of(std::string_view text);

// Every single fault of a program: each action, with each error or size, at each hit of each point.
// Its plan is one point's, which lets the hits before pass.
[[nodiscard]] std::vector<Schedule> single_faults(const Program& program,
                                                  const std::map<FaultPoint, std::uint64_t>& hits);

}  // namespace gyre::faults
