#include "harness/scenario/open_load.hpp"

#include <cmath>
#include <utility>

#include "core/elapsed.hpp"

namespace gyre::scenario {
namespace {

using Clock = std::chrono::steady_clock;

// A well mixed function of its argument (the finalizer of SplitMix64): the same lookups for the
// same seed, whatever the order in which clients take them.
std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// Above 0, at most 1.
double share(std::uint64_t x) noexcept {
  return (static_cast<double>(x >> 11U) + 1) / 9007199254740992.0;
}

}  // namespace

OpenLoad::OpenLoad(LoadPlan plan) : plan_(std::move(plan)), begun_(Clock::now()) {}

Result<std::unique_ptr<OpenLoad>> OpenLoad::start(LoadPlan plan) {
  std::vector<std::unique_ptr<client::PirClient>> clients;
  for (unsigned i = 0; i < plan.clients; ++i) {
    auto client = plan.connect();
    if (!client) return forward_error(client);
    clients.push_back(std::move(*client));
  }
  std::unique_ptr<OpenLoad> load(new OpenLoad(std::move(plan)));
  load->clients_ = std::move(clients);
  for (auto& client : load->clients_) {
    load->threads_.emplace_back([&owner = *load, &own = *client] {
      double refreshed = owner.now();
      while (!owner.stop_) {
        const Arrival arrival = owner.next_arrival();
        while (!owner.stop_ && owner.now() < arrival.due) {
          const double left = std::min(arrival.due - owner.now(), 0.05);
          std::this_thread::sleep_for(std::chrono::duration<double>(left));
        }
        if (owner.stop_) return;
        RecordedLookup record{arrival.key, arrival.due, 0, {}, {}, {}};
        const std::uint64_t gone_before = own.epochs_gone();
        if (owner.now() - refreshed > owner.plan_.refresh_every) {
          refreshed = owner.now();
          if (auto done = own.refresh(); !done) record.failure = done.error();
        }
        if (!record.failure) {
          const std::vector<std::byte> key = owner.plan_.key(arrival.key);
          auto found = own.lookup({&key, 1});
          if (found) {
            record.epoch = found->front().epoch->id;
            record.value = std::move(found->front().value);
          } else {
            record.failure = found.error();
          }
        }
        record.answered = owner.now();
        ++owner.answered_;
        owner.gone_ += own.epochs_gone() - gone_before;
        const std::lock_guard lock(owner.mutex_);
        owner.records_.push_back(std::move(record));
      }
    });
  }
  return load;
}

OpenLoad::~OpenLoad() {
  stop();
}

void OpenLoad::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

double OpenLoad::now() const {
  return seconds_since(begun_);
}

OpenLoad::Arrival OpenLoad::next_arrival() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t random = mixed(plan_.seed ^ mixed(arrivals_++));
  if (plan_.per_second > 0) {
    last_due_ += -std::log(share(random)) / plan_.per_second;
  } else {
    last_due_ = now();
  }
  return {last_due_, mixed(random) % plan_.keys};
}

}  // namespace gyre::scenario
