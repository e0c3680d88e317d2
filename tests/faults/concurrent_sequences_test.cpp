// Everything that can be asked of a server, at once, under faults; judged by the checker.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/faults/sequence.hpp"
#include "tests/support/generators.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Injector;
using fault_injection::Plan;

// Every change from a thread of its own, while others ask.
RC_GTEST_FIXTURE_PROP(FaultSequences, AtOnceNothingIsBrokenEither, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto room = *rc::gen::element(DeviceRoom::for_two_images, DeviceRoom::for_one_image);
  Recorder recorder;
  const Plan plan = faults_now_and_then();
  Injector injector({}, seed);
  World world(snapshots(), room, recorder.track());
  injector.arm(plan);
  std::vector<fault_injection::Firing> firings;
  Exceptions exceptions;
  {
    const PauseEnder ender(injector, plan);
    std::atomic<bool> over = false;
    std::vector<std::jthread> askers;
    for (unsigned client = 1; client <= 2; ++client) {
      askers.emplace_back([&, client, &track = recorder.track()] {
        exceptions.guard([&] {
          SeededRandom random(seed + client);
          while (!over) {
            world.query(track, client, random);
            std::this_thread::sleep_for(std::chrono::microseconds(50));
          }
        });
      });
    }
    // Whatever happens here, they come to an end.
    const std::shared_ptr<void> ender_of_askers(nullptr, [&over](void*) { over = true; });
    const auto changes = [&](auto&& step) {
      return std::jthread([&, step, &track = recorder.track()] {
        exceptions.guard([&] {
          const World::OnTrack recorded(track);
          SeededRandom random(seed);
          for (int i = 0; i < 12; ++i) step(random);
        });
      });
    };
    {
      const auto feed = changes([&](SeededRandom&) {
        world.apply_next();
        world.look();
      });
      const auto rotations = changes([&](SeededRandom& random) {
        const auto base = static_cast<unsigned>(random.word() % TestSnapshots::bases);
        switch (random.word() % 4) {
          case 0:
            world.rotate_and_cancel(snapshots().raw(base));
            break;
          case 1:
            world.roll_back(random.word() % 2 == 0);
            break;
          case 2:
            world.rotate(snapshots().over_http(base));
            break;
          default:
            world.rotate(snapshots().by_manifest(base));
        }
      });
      const auto foldings = changes([&](SeededRandom& random) {
        if (random.word() % 2 == 0) {
          world.compact();
        } else {
          world.promote();
        }
      });
    }
    firings = injector.disarm();
  }
  exceptions.require_none();
  world.heal();
  world.end();
  auto history = recorder.collect();
  history.firings = std::move(firings);
  history.replay = "see `replay:` below; the plan was '" + text_of(plan) +
                   "'; which thread comes first is not replayed";
  require_good(std::move(history), contents_of({&world}, true));
}

}  // namespace
}  // namespace gyre::faults
