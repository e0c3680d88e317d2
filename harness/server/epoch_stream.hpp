// GET /epoch/stream: every epoch that becomes current, told to whoever listens.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "harness/server/event_streams.hpp"

namespace gyre::server {

// A held epoch as an event: its name, its generation, and the epoch as GET /epoch describes it.
[[nodiscard]] std::string epoch_event(const Lease& lease);

// Thread-safe, but stop() and the destructor are for one thread. Publishing never waits for it, and
// it holds no lease longer than it takes to describe an epoch.
class EpochStream {
 public:
  // `epochs` must outlive it. Throws std::system_error if there is no thread.
  EpochStream(const EpochTable& epochs, StreamLimits limits);
  ~EpochStream();  // as stop()
  EpochStream(const EpochStream&) = delete;
  EpochStream& operator=(const EpochStream&) = delete;

  // Begins with the epoch that is current. Errors: no_epoch, and those of EventStreams.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] Result<void> take_over(const std::shared_ptr<OpenConnection>& connection,
                                       const std::string& head);

  // Ends all streams at once; none begins any more.
  void stop() noexcept;

  [[nodiscard]] StreamStatistics statistics() const { return streams_.statistics(); }

 private:
  void watch(const std::stop_token& stop);

  const EpochTable& epochs_;
  EventStreams streams_;
  std::jthread watcher_;  // last: it uses the others
};

}  // namespace gyre::server
