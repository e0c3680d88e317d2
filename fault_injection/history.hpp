// What happened on one or two servers, recorded by many threads without disturbing them, to be
// judged afterwards (checker.hpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"
#include "fault_injection/injector.hpp"

namespace gyre::fault_injection {

// When something began and ended; what never ended is a finding of its own.
struct Span {
  Clock::time_point begin;
  std::optional<Clock::time_point> end{};

  [[nodiscard]] Clock::time_point latest() const noexcept {
    return end.value_or(Clock::time_point::max());
  }
  // Whether they may have had an instant in common.
  [[nodiscard]] bool overlaps(const Span& other) const noexcept {
    return begin <= other.latest() && other.begin <= latest();
  }
  [[nodiscard]] bool before(const Span& other) const noexcept { return latest() < other.begin; }
};

// One query to one server.
struct Request {
  unsigned server = 0;
  unsigned client = 0;  // whose generations must not go back
  Span time;
  EpochChoice asked;
  QueryKind kind = QueryKind::row;
  std::vector<dpf::Key> keys;

  std::optional<ErrorCode> error{};  // it was refused
  EpochId epoch;                     // else: as the answer says
  std::uint64_t generation = 0;
  std::vector<std::byte> answers;
};

// One attempt to change what a server serves.
struct Change {
  enum class Kind : std::uint8_t { rotation, batch, rollback, compaction, promotion };

  unsigned server = 0;
  Kind kind = Kind::rotation;
  Span time;
  bool must_succeed = false;  // no fault was armed, and nothing else speaks against it
  std::uint64_t seq = 0;      // of a batch

  std::optional<ErrorCode> error{};
  // The epoch that it made current; nothing where it changed no epoch.
  std::optional<EpochId> epoch{};
  std::uint64_t generation = 0;  // 0: not told
  std::uint64_t discarded = 0;   // batches, as reported
};

// What a server held at an instant between begin and end.
struct Look {
  struct Held {
    EpochId id;
    std::uint64_t generation = 0;
    Bytes32 content_id{};
    Metadata metadata;
    std::optional<Bytes32> rows_digest{};  // of the rows as a query would see them
  };
  unsigned server = 0;
  Span time;
  std::vector<Held> held;                       // the current one first
  std::map<std::string, std::uint64_t> memory;  // bytes in use, by owner
  // Looks of one server with the same name, unless it is empty, must find the same memory in use.
  std::string baseline;
};

// What a client made of the answers of two servers.
struct Decoded {
  Span time;
  EpochId epoch;
  QueryKind kind = QueryKind::row;
  std::uint64_t index = 0;
  std::vector<std::byte> record;
};

struct History {
  std::vector<Request> requests;
  std::vector<Change> changes;
  std::vector<Look> looks;
  std::vector<Decoded> decoded;
  std::vector<Firing> firings;
  std::string replay;  // the command that runs it again
};

class Recorder {
 public:
  // What one thread records. References stay good as long as the recorder lives.
  class Track {
   public:
    // Begin now; the caller fills in the rest and calls end().
    Request& begin_request() { return begin(requests_); }
    Change& begin_change() { return begin(changes_); }
    Look& begin_look() { return begin(looks_); }
    Decoded& begin_decoded() { return begin(decoded_); }
    template <typename Event>
    static void end(Event& event) {
      event.time.end = Clock::now();
    }

   private:
    friend class Recorder;
    template <typename Event>
    static Event& begin(std::deque<Event>& events) {
      Event& event = events.emplace_back();
      event.time.begin = Clock::now();
      return event;
    }
    std::deque<Request> requests_;
    std::deque<Change> changes_;
    std::deque<Look> looks_;
    std::deque<Decoded> decoded_;
  };

  // One for each thread; no lock is taken but here. Thread-safe.
  [[nodiscard]] Track& track();

  // Everything, in the order of its beginnings. REQUIRES: nobody records any more.
  [[nodiscard]] History collect() const;

 private:
  std::mutex mutex_;
  std::list<Track> tracks_;
};

}  // namespace gyre::fault_injection
