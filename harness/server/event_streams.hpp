// Server-sent events to many peers from one thread, none of which it ever waits for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "harness/server/open_connection.hpp"

namespace gyre::server {

struct StreamLimits {
  std::size_t max_streams = 128;                // open at once
  std::chrono::milliseconds heartbeat{15'000};  // after so long without an event, a comment
  std::chrono::milliseconds send_time{30'000};  // for a peer to take one event or comment
  std::size_t max_behind = 16;                  // events; who is further behind misses some
};

// Numbers of successive events increase. The text is whole, with the empty line that ends it.
struct StreamEvent {
  std::uint64_t number = 0;
  std::shared_ptr<const std::string> text;
};

// What has happened so far.
struct StreamStatistics {
  std::size_t open = 0;        // right now
  std::uint64_t taken = 0;     // streams
  std::uint64_t refused = 0;   // no room
  std::uint64_t too_slow = 0;  // streams that were cut off
  std::uint64_t sent = 0;      // events, to all streams together
  std::uint64_t left_out = 0;  // numbers that streams passed over
};

// Memory: the last `max_behind` events, shared by all streams; for each stream no more than the
// event it is taking, and 64 KiB of the system's. Thread-safe, but stop() and the destructor are
// for one thread.
class EventStreams {
 public:
  // Throws std::system_error if there is no thread, or no event descriptor.
  explicit EventStreams(StreamLimits limits);
  ~EventStreams();  // as stop()
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  // Errors: draining, queue_full (as many streams are open as may be).
  [[nodiscard]] Result<void> check_room() const;

  // Sends the head and `first`, then every event with a later number, those published already
  // included. A peer that does not take an event in time, or sends anything, is cut off; one that
  // is more than max_behind events behind gets the newest next. Errors: those of check_room().
  [[nodiscard]] Result<void> take(std::shared_ptr<OpenConnection> connection,
                                  const std::string& head, const StreamEvent& first);

  // Tells all streams. An event whose number is not the highest so far is none. Throws
  // std::bad_alloc.
  void publish(StreamEvent event);

  // Ends all streams at once; none begins any more.
  void stop() noexcept;

  [[nodiscard]] StreamStatistics statistics() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Stream {
    std::shared_ptr<OpenConnection> connection;
    std::uint64_t last_number = 0;            // of the event it has, or is taking
    std::shared_ptr<const std::string> text;  // it is taking; null: nothing
    std::size_t written = 0;                  // of the text
    Clock::time_point due;  // of a heartbeat; while it takes a text, of the end of its time
    bool readable = false;
  };

  void run();
  // Adds the streams that came; false once all must end.
  [[nodiscard]] bool collect(std::list<Stream>& streams);
  // As far as it goes without waiting; false: the stream is over.
  [[nodiscard]] bool advance(Stream& stream, Clock::time_point now);
  // The next text for a stream that has taken the one before, if there is one.
  void choose_text(Stream& stream, Clock::time_point now);
  // Returns when a stream can go on, or something else has come.
  void wait(std::list<Stream>& streams) const;
  void wake() const noexcept;
  void close(Stream& stream) noexcept;

  const StreamLimits limits_;
  const std::shared_ptr<const std::string> heartbeat_;
  FileDescriptor wake_;  // an eventfd

  mutable std::mutex mutex_;  // of all that follows but the thread
  bool stopping_ = false;
  std::list<Stream> arrived_;
  std::deque<StreamEvent> events_;    // the oldest first
  std::uint64_t last_forgotten_ = 0;  // number of the last event that is in events_ no more
  StreamStatistics statistics_;
  std::thread thread_;
};

}  // namespace gyre::server
