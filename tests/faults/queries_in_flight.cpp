#include "tests/faults/queries_in_flight.hpp"

#include <algorithm>
#include <exception>
#include <stop_token>
#include <string>
#include <utility>

namespace gyre::faults {

Querier::Querier(World& world, Recorder& recorder, unsigned client, World::Ask ask)
    : track_(recorder.track()),
      thread_([this, &world, client, ask = std::move(ask)](const std::stop_token& stop) {
        try {
          SeededRandom random(client);
          while (!stop.stop_requested()) {
            world.query(track_, client, random, ask);
            ++queries_;
            // Faster than this shows nothing more, and takes time to judge.
            std::this_thread::sleep_for(std::chrono::microseconds(20));
          }
        } catch (const std::exception& thrown) {
          world.found(std::string("thrown by a query: ") + thrown.what());
        }
      }) {}

Releaser::Releaser(fault_injection::Injector& injector, const World& world,
                   const fault_injection::Plan& plan, const Queriers& queriers)
    : injector_(injector), world_(world), queriers_(queriers) {
  for (const auto& entry : plan.points) {
    const auto is_pause = [](const auto& term) { return term.action == FaultAction::pause; };
    if (std::ranges::any_of(entry.terms, is_pause)) pauses_.push_back(Pause{entry.point});
  }
  if (pauses_.empty()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      for (Pause& pause : pauses_) look_at(pause);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
}

bool Releaser::end() {
  thread_ = {};
  return stood_still_;
}

std::size_t Releaser::queries() const {
  std::size_t queries = 0;
  for (const auto& querier : queriers_) queries += querier->queries();
  return queries;
}

void Releaser::look_at(Pause& pause) {
  constexpr std::size_t enough = 4;
  constexpr std::chrono::seconds patience{20};
  if (!injector_.is_paused(pause.point)) return;
  const std::size_t now = queries();
  if (!pause.seen) {
    pause.seen = true;
    pause.queries_before = now;
    pause.since = Clock::now();
  }
  const bool waited_for = pause.point == FaultPoint::query_scan && world_.queries_waiting() > 0;
  const bool too_long = Clock::now() - pause.since > patience;
  if (now < pause.queries_before + enough && !waited_for && !too_long) return;
  stood_still_ = stood_still_ || too_long;
  pause.seen = false;
  injector_.release(pause.point);
}

}  // namespace gyre::faults
