// Which connections are open and what each of them waits for, so that one that waits too long can
// make room.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>

#include "harness/server/transport.hpp"

namespace gyre::server {

// What a connection is doing. In the phases before `working` it waits for its peer and may be
// evicted; they stand in the order of how little is lost by that.
enum class Phase : std::uint8_t {
  idle,            // between requests, or before the first; nothing of the next one was read
  lingering,       // refused; what the peer still sends is thrown away
  receiving_head,  // a request has begun to arrive (or a TLS handshake is under way)
  receiving_body,
  sending,
  working,    // the answer is being computed
  queued,     // accepted; no thread has it yet
  streaming,  // left the threads that serve requests: to evict it would free none of them
};

// Thread-safe. Sockets are shut down here, never closed: their owners do that, after remove().
class ConnectionTable {
 private:
  struct Entry {
    int socket;
    Phase phase = Phase::queued;
    std::chrono::steady_clock::time_point
        since;  // when the phase began: a drip of bytes does not renew it
    bool shut_down = false;
  };
  std::list<Entry>::iterator add(int socket);
  void remove(std::list<Entry>::iterator entry) noexcept;

 public:
  // One open connection, registered as long as this lives. One thread at a time.
  class Registration {
   public:
    Registration(ConnectionTable& table, int socket) : table_(table), entry_(table.add(socket)) {}
    ~Registration() { table_.remove(entry_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    // False: the connection was shut down. Entering `idle` while none may be ends the reading, as
    // refuse_idle() does.
    [[nodiscard]] bool enter(Phase phase);

   private:
    ConnectionTable& table_;
    std::list<Entry>::iterator entry_;
  };

  // Shuts down a connection that waits for its peer, of the first phase that there is one of the
  // one that has been in it longest: who only connects displaces nobody who is further on. False if
  // none waits for its peer.
  bool evict_one() noexcept;

  // Lets nobody idle any more: from now on an idle connection from which nothing has come reads
  // an end. What has come, even if nobody has read it yet, can be read and answered.
  void refuse_idle() noexcept;

  void shut_down_all() noexcept;

  // Whether no connection was open at some moment before the deadline.
  [[nodiscard]] bool wait_until_empty(Deadline deadline);

  // Waits until no answer is being computed or sent, but not beyond the deadline.
  void wait_until_all_answered(Deadline deadline);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t count(Phase phase) const;

 private:
  static void shut_down(Entry& entry) noexcept;
  static void end_idling(const Entry& entry) noexcept;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;
  bool refuse_idle_ = false;
};

}  // namespace gyre::server
