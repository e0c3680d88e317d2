// Makes the fault points of this process do what a plan says, and keeps account of it. Only in
// builds with the option `fault_points`.
//
// Thread-safety: everything may be called from any thread, but arm(), the constructor and the
// destructor are for one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/fault_point.hpp"
#include "fault_injection/plan.hpp"

namespace gyre::fault_injection {

using Clock = std::chrono::steady_clock;

// Something that happened at a point: neither `off`, nor a `partial` or `corrupt` of bytes that it
// leaves as they are.
struct Firing {
  FaultPoint point{};
  std::uint64_t hit = 0;  // which one of the point since it was armed; the first is 1
  Term term;
  Clock::time_point at;
};

[[nodiscard]] std::string text_of(const Firing& firing);

// As long as it lives the plan is in force; there can be one at a time. What happens at a hit
// depends on the plan, the seed and the number of the hit alone, so a plan with percentages can be
// run again; which thread comes to the point first is not replayed.
class Injector {
 public:
  // `on_firing` is called at every firing, on the thread that it happens to. Throws
  // std::logic_error if there is another one.
  explicit Injector(Plan plan = {}, std::uint64_t seed = 1,
                    std::function<void(const Firing&)> on_firing = {});
  ~Injector();  // who waits at a point goes on
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // Another plan instead; counts and firings begin anew, who waits at a point goes on. Returns the
  // firings() of the plan before, with those that came until then.
  std::vector<Firing> arm(Plan plan);
  std::vector<Firing> disarm() { return arm({}); }

  // Lets go on whoever waits there, once.
  void release(FaultPoint point);
  [[nodiscard]] bool is_paused(FaultPoint point) const;

  struct Counts {
    std::uint64_t hits = 0;
    std::uint64_t firings = 0;
  };
  // Since the plan was armed.
  [[nodiscard]] Counts counts(FaultPoint point) const;
  // The first 100,000.
  [[nodiscard]] std::vector<Firing> firings() const;
  // As long as it lives, what its thread comes to is no point: a test that only looks is not
  // counted, and nothing happens to it.
  class OnlyLooking {
   public:
    OnlyLooking() noexcept;
    ~OnlyLooking();
    OnlyLooking(const OnlyLooking&) = delete;
    OnlyLooking& operator=(const OnlyLooking&) = delete;
  };

  // Points of the plan that nobody came to: the plan tested nothing there.
  [[nodiscard]] std::vector<FaultPoint> never_hit() const;
};

}  // namespace gyre::fault_injection
