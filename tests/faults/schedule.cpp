#include "tests/faults/schedule.hpp"

#include <stdexcept>

#include "tests/faults/building.hpp"
#include "tests/faults/terms.hpp"

namespace gyre::faults {
namespace {

// Steps. A look after each, so that what one leaves behind is not covered by the next.
template <unsigned base>
void rotate(World& world, const TestSnapshots& snapshots) {
  world.rotate(snapshots.by_manifest(base));
  world.look();
}
template <unsigned base>
void rotate_raw(World& world, const TestSnapshots& snapshots) {
  world.rotate(snapshots.raw(base));
  world.look();
}
template <unsigned base>
void rotate_over_http(World& world, const TestSnapshots& snapshots) {
  world.rotate(snapshots.over_http(base));
  world.look();
}
void batch(World& world, const TestSnapshots&) {
  world.apply_next();
  world.look();
}
void compact(World& world, const TestSnapshots&) {
  world.compact();
  world.look();
}
void roll_back(World& world, const TestSnapshots&) {
  world.roll_back(false);
  world.look();
}
void roll_back_base(World& world, const TestSnapshots&) {
  world.roll_back(true);
  world.look();
}
void promote(World& world, const TestSnapshots&) {
  world.drop_other_bases();
  world.promote();
  world.look();
}

template <void (*build)(World&, const TestSnapshots&, bool must)>
void once(World& world, const TestSnapshots& snapshots) {
  build(world, snapshots, false);
  world.look();
}

const std::vector<Program>& all_programs() {
  static const std::vector<Program> programs = {
      {"rotate", DeviceRoom::for_two_images, {rotate<1>}},
      {"rotate-raw", DeviceRoom::for_two_images, {rotate_raw<2>}},
      {"rotate-http", DeviceRoom::for_two_images, {rotate_over_http<1>}},
      {"batch", DeviceRoom::for_two_images, {batch, batch}},
      {"compact", DeviceRoom::for_two_images, {batch, compact}},
      {"compact-narrow", DeviceRoom::for_one_image, {batch, compact, promote}},
      {"roll-back", DeviceRoom::for_two_images, {batch, batch, roll_back, batch}},
      {"roll-back-base", DeviceRoom::for_two_images, {rotate<1>, batch, roll_back_base, batch}},
      {"over-http", DeviceRoom::for_two_images, {batch, compact}, nullptr, true},
      {"build", DeviceRoom::for_two_images, {once<build_rows>}, build_rows},
      {"build-keyed", DeviceRoom::for_two_images, {once<build_keyed_table>}, build_keyed_table},
      {"promote", DeviceRoom::for_one_image, {rotate<1>, promote}},
      {"promote-folded", DeviceRoom::for_one_image, {rotate_raw<2>, batch, promote, compact}},
      {"back-and-forth",
       DeviceRoom::for_two_images,
       {rotate<1>, rotate<2>, roll_back_base, rotate_raw<3>}},
      {"everything",
       DeviceRoom::for_two_images,
       {batch, rotate_raw<2>, batch, compact, roll_back, rotate<1>, batch, compact}},
      {"everything-narrow",
       DeviceRoom::for_one_image,
       {rotate<1>, promote, batch, compact, rotate_raw<2>, batch, promote, roll_back}},
  };
  return programs;
}

}  // namespace

std::span<const Program> programs() {
  return all_programs();
}

std::string Schedule::text() const {
  return std::string(program->name) + ": " + fault_injection::text_of(plan);
}

std::string Schedule::replay() const {
  return "GYRE_FAULT_SCHEDULE='" + text() + "' ./dev faults";
}

Schedule schedule_of(std::string_view text) {
  const std::size_t colon = text.find(": ");
  Schedule schedule;
  for (const Program& program : programs()) {
    if (program.name == text.substr(0, colon)) schedule.program = &program;
  }
  if (schedule.program == nullptr || colon == std::string_view::npos) {
    throw std::invalid_argument("a schedule is `program: plan`, and there is no such program");
  }
  auto plan = fault_injection::parse_plan(text.substr(colon + 2));
  if (!plan) throw std::invalid_argument(plan.error().message);
  schedule.plan = std::move(*plan);
  return schedule;
}

std::vector<Schedule> single_faults(const Program& program,
                                    const std::map<FaultPoint, std::uint64_t>& hits) {
  std::vector<Schedule> schedules;
  for (const auto& [point, count] : hits) {
    for (std::uint64_t hit = 1; hit <= count; ++hit) {
      for (const auto& term : terms_at(describe(point))) {
        schedules.push_back(
            {&program, fault_injection::Plan{{fault_injection::at_hit(point, hit, term)}}});
      }
    }
  }
  return schedules;
}

}  // namespace gyre::faults
