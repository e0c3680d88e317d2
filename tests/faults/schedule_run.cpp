#include "tests/faults/schedule_run.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "fault_injection/contents.hpp"
#include "fault_injection/injector.hpp"
#include "tests/faults/listening_world.hpp"
#include "tests/faults/queries_in_flight.hpp"
#include "tests/faults/terms.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Injector;
using fault_injection::PointPlan;
using fault_injection::Term;

constexpr std::uint64_t hits_of_query_points = 3;
// Of which none comes over sockets, so that one is there whom nothing that happens to a connection
// can hold up.
constexpr unsigned query_threads = 2;
constexpr unsigned query_threads_over_http = 2;

bool is_of_http(FaultPoint point) {
  return describe(point).name.starts_with("http.");
}
bool is_of_queries(FaultPoint point) {
  return describe(point).name.starts_with("query.") || is_of_http(point);
}

// How often something is to happen at a point of the plan.
std::uint64_t firings_of(const PointPlan& entry) {
  std::uint64_t firings = 0;
  for (const Term& term : entry.terms) {
    if (term.action != FaultAction::off) firings += term.count.value_or(1);
  }
  return firings;
}

// As much of it as happens in so many firings.
PointPlan first_of(const PointPlan& entry, std::uint64_t firings) {
  PointPlan first{entry.point, {}};
  for (const Term& term : entry.terms) {
    if (firings == 0) break;
    first.terms.push_back(term);
    if (term.action != FaultAction::off) firings -= std::min(firings, term.count.value_or(firings));
  }
  return first;
}

// The hit at which the last term of a plan by at_hit() is to happen.
std::uint64_t last_hit_of(const PointPlan& entry) {
  std::uint64_t hits = 0;
  for (const Term& term : entry.terms) hits += term.count.value_or(1);
  return hits;
}

// What a step throws would end the program, without the line that replays it.
void run_steps(World& world, const TestSnapshots& snapshots, const Program& program) {
  try {
    for (const auto step : program.steps) step(world, snapshots);
  } catch (const std::exception& thrown) {
    world.found(std::string("thrown by a step: ") + thrown.what());
  }
}

// How often each point has been hit since the plan was armed.
std::map<FaultPoint, std::uint64_t> hits_so_far(const Injector& injector) {
  std::map<FaultPoint, std::uint64_t> hits;
  for (const FaultPointDescription& point : fault_points) {
    if (const auto counted = injector.counts(point.point).hits) hits[point.point] = counted;
  }
  return hits;
}

}  // namespace

std::map<FaultPoint, std::uint64_t> count_hits(const TestSnapshots& snapshots,
                                               const Program& program) {
  Recorder recorder;
  World world(snapshots, program.room, recorder.track());
  const Injector injector;
  for (const auto step : program.steps) step(world, snapshots);
  auto hits = hits_so_far(injector);
  for (const FaultPointDescription& point : fault_points) {
    if (!is_of_queries(point.point) || (is_of_http(point.point) && !program.over_http)) continue;
    hits[point.point] = hits_of_query_points;
  }
  return hits;
}

std::optional<Schedule> with_a_second_fault(const Schedule& single, const Outcome& outcome,
                                            std::mt19937_64& random) {
  const FaultPoint first = single.plan.points.front().point;
  struct Hits {
    FaultPoint point{};
    std::uint64_t before = 0;
    std::uint64_t after = 0;
  };
  std::vector<Hits> later;
  for (const auto& [point, hits] : outcome.hits) {
    const auto found = outcome.hits_before.find(point);
    const std::uint64_t before = found == outcome.hits_before.end() ? 0 : found->second;
    const std::uint64_t after = is_of_queries(point) ? before + hits_of_query_points : hits;
    if (after > before) later.push_back({point, before, after});
  }
  if (later.empty()) return std::nullopt;
  const Hits& chosen = later[random() % later.size()];
  const std::uint64_t hit = chosen.before + 1 + random() % (chosen.after - chosen.before);
  const auto terms = terms_at(describe(chosen.point));
  const Term& term = terms[random() % terms.size()];
  Schedule both = single;
  PointPlan& first_entry = both.plan.points.front();
  if (chosen.point == first) {
    // Its hits are counted on from those of the first fault.
    const auto second = fault_injection::at_hit(first, hit - last_hit_of(first_entry), term);
    first_entry.terms.insert(first_entry.terms.end(), second.terms.begin(), second.terms.end());
  } else {
    both.plan.points.push_back(fault_injection::at_hit(chosen.point, hit, term));
    std::ranges::sort(both.plan.points, {}, &PointPlan::point);
  }
  return both;
}

bool was_reached(const Schedule& single, const Outcome& outcome) {
  const PointPlan& entry = single.plan.points.front();
  const auto hits = outcome.hits.find(entry.point);
  return hits != outcome.hits.end() && hits->second >= last_hit_of(entry);
}

Outcome run(const TestSnapshots& snapshots, const Schedule& schedule) {
  Outcome outcome;
  Schedule came{schedule.program, {}};  // of its faults those that did
  Recorder recorder;
  std::once_flag first;
  Injector injector({}, 1, [&](const fault_injection::Firing&) {
    std::call_once(first, [&] { outcome.hits_before = hits_so_far(injector); });
  });
  World world(snapshots, schedule.program->room, recorder.track());
  std::vector<fault_injection::Firing> firings;
  {
    std::optional<ListeningWorld> listening;
    if (schedule.program->over_http) listening.emplace(world);
    Queriers queriers;
    const auto begin_to_ask = [&](const World::Ask& ask) {
      const auto client = static_cast<unsigned>(queriers.size()) + 1;
      queriers.push_back(std::make_unique<Querier>(world, recorder, client, ask));
    };
    for (unsigned i = 0; i < query_threads; ++i) {
      begin_to_ask([&](QueryKind kind, const auto& asked) { return world.answer(kind, asked); });
    }
    for (unsigned i = 0; listening && i < query_threads_over_http; ++i) {
      begin_to_ask(
          [&](QueryKind kind, const auto& asked) { return listening->answer(kind, asked); });
    }
    injector.arm(schedule.plan);
    {
      Releaser releaser(injector, world, schedule.plan, queriers);
      run_steps(world, snapshots, *schedule.program);
      // A fault of a query's own path needs a query to happen to.
      const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      for (const PointPlan& entry : schedule.plan.points) {
        const bool comes =
            is_of_http(entry.point) ? schedule.program->over_http : is_of_queries(entry.point);
        while (comes && injector.counts(entry.point).firings < firings_of(entry) &&
               std::chrono::steady_clock::now() < soon) {
          std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
      }
      outcome.queries_stood_still = releaser.end();
    }
    outcome.hits = hits_so_far(injector);
    for (const PointPlan& entry : schedule.plan.points) {
      const std::uint64_t firings_so_far = injector.counts(entry.point).firings;
      if (firings_so_far < firings_of(entry)) outcome.never_came.points.push_back(entry);
      if (firings_so_far > 0) came.plan.points.push_back(first_of(entry, firings_so_far));
    }
    firings = injector.disarm();
    if (listening && !listening->serves_its_first_guest()) {
      world.found("a connection that no fault had touched is of no more use");
    }
    world.heal();
    if (schedule.program->once_more != nullptr) schedule.program->once_more(world, snapshots, true);
    queriers.clear();
    if (listening && !listening->comes_to_rest()) {
      world.found("a request over HTTP has left something behind");
    }
  }
  world.end();

  fault_injection::Contents contents(crypto::sha256);
  snapshots.add_all_to(contents);
  world.add_batches_to(contents);
  auto history = recorder.collect();
  outcome.replay = came.replay();
  history.replay = outcome.replay;
  outcome.requests = history.requests.size();
  for (const auto& firing : firings) outcome.fired.insert(firing.point);
  history.firings = std::move(firings);
  outcome.verdict = check(history, contents);
  outcome.findings = world.findings();
  return outcome;
}

}  // namespace gyre::faults
