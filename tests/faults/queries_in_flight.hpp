// Those who ask while a schedule runs, and who sees to it that no pause holds them up.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "core/fault_point.hpp"
#include "fault_injection/injector.hpp"
#include "fault_injection/plan.hpp"
#include "tests/faults/world.hpp"

namespace gyre::faults {

// Queries one after another until it ends, from a thread of its own. What they throw is a finding
// of the world's.
class Querier {
 public:
  Querier(World& world, Recorder& recorder, unsigned client, World::Ask ask);

  // That have ended. Thread-safe.
  [[nodiscard]] std::size_t queries() const { return queries_; }

 private:
  Recorder::Track& track_;
  std::atomic<std::size_t> queries_ = 0;
  std::jthread thread_;
};
using Queriers = std::vector<std::unique_ptr<Querier>>;

// Lets whoever pauses go on, but not before queries were answered meanwhile: nothing that can wait
// may hold them up. A pass that pauses holds up those that ask the same images, as any pass does:
// it goes on when one waits for it.
class Releaser {
 public:
  // Of the plan's pauses. All that it is given outlives it.
  Releaser(fault_injection::Injector& injector, const World& world,
           const fault_injection::Plan& plan, const Queriers& queriers);

  // Whether they stood still while somebody paused. Nobody is let go on from then on.
  bool end();

 private:
  using Clock = std::chrono::steady_clock;
  struct Pause {
    FaultPoint point{};
    bool seen = false;
    std::size_t queries_before = 0;
    Clock::time_point since{};
  };

  [[nodiscard]] std::size_t queries() const;
  void look_at(Pause& pause);

  fault_injection::Injector& injector_;
  const World& world_;
  const Queriers& queriers_;
  std::vector<Pause> pauses_;
  bool stood_still_ = false;  // the thread's, and read when it has ended
  std::jthread thread_;
};

}  // namespace gyre::faults
