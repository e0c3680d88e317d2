#include "harness/server/epoch_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/protocol/epoch_document.hpp"
#include "harness/server/epoch_entry.hpp"

namespace gyre::server {
namespace {

StreamEvent event_of(const Lease& lease) {
  return {lease.generation().count, std::make_shared<const std::string>(epoch_event(lease))};
}

// Of the table's epochs those of later generations than that, the oldest first.
std::vector<Lease> newer_than(const EpochTable& epochs, std::uint64_t generation) {
  std::vector<Lease> leases = epochs.snapshot();
  std::erase_if(leases, [&](const Lease& lease) { return lease.generation().count <= generation; });
  std::sort(leases.begin(), leases.end(), [](const Lease& left, const Lease& right) {
    return left.generation().count < right.generation().count;
  });
  return leases;
}

}  // namespace

std::string epoch_event(const Lease& lease) {
  return "event: epoch\nid: " + lease.generation().text() +
         "\ndata: " + protocol::epoch_entry_to_json(describe(lease)).dump() + "\n\n";
}

EpochStream::EpochStream(const EpochTable& epochs, StreamLimits limits)
    : epochs_(epochs),
      streams_(limits),
      watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

EpochStream::~EpochStream() {
  stop();
}

void EpochStream::stop() noexcept {
  watcher_.request_stop();
  if (watcher_.joinable()) watcher_.join();
  streams_.stop();
}

Result<void> EpochStream::check() const {
  if (auto lease = epochs_.lease(CurrentEpoch{}); !lease) return forward_error(lease);
  return streams_.check_room();
}

Result<void> EpochStream::take_over(const std::shared_ptr<OpenConnection>& connection,
                                    const std::string& head) {
  const auto lease = epochs_.lease(CurrentEpoch{});
  if (!lease) return tl::unexpected<Error>(lease.error());
  return streams_.take(connection, head, event_of(*lease));
}

void EpochStream::watch(const std::stop_token& stop) {
  constexpr std::chrono::hours long_enough{1};
  constexpr std::chrono::milliseconds pause{100};
  std::uint64_t told = 0;
  while (!stop.stop_requested()) try {
      if (!epochs_.wait_newer(told, std::chrono::steady_clock::now() + long_enough, stop)) continue;
      // What was published and is gone already was never worth more than what is current now.
      for (const Lease& lease : newer_than(epochs_, told)) {
        streams_.publish(event_of(lease));
        told = lease.generation().count;
      }
    } catch (const std::exception&) {
      // No memory to tell of an epoch. Nobody misses it for good: it is current, or a later one is.
      std::this_thread::sleep_for(pause);
    }
}

}  // namespace gyre::server
