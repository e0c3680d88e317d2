// How many passes run at once, how many queries may wait for their turn, and in which order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>

#include "core/error.hpp"
#include "harness/server/transport.hpp"

namespace gyre::server {

// First come, first served. Thread-safe.
class PassGate {
 public:
  PassGate(std::size_t max_passes, std::size_t max_waiting) noexcept
      : max_passes_(max_passes), max_waiting_(max_waiting) {}

  // The right to run one pass, given back when it is destroyed. One thread at a time.
  class Turn {
   public:
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

    // Lets everybody who waits now go first, and waits for the right to run another pass; keeps it
    // if nobody waits. Errors: as of enter(), but there is always room to wait. After an error the
    // turn is over.
    [[nodiscard]] Result<void> take_another(Deadline deadline);

   private:
    friend class PassGate;
    explicit Turn(PassGate& gate) noexcept : gate_(&gate) {}
    PassGate* gate_;
  };

  // Waits for a turn. Errors: queue_full (no room to wait, or not before the deadline), draining
  // (the gate is closed).
  [[nodiscard]] Result<Turn> enter(Deadline deadline);

  // From now on nobody gets a turn, those who wait included. Turns that were given stay.
  void close() noexcept;

  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Ticket {
    std::condition_variable called;
    bool admitted = false;
  };

  // Waits behind everybody else. REQUIRES: the lock, and no turn held.
  [[nodiscard]] Result<void> wait(std::unique_lock<std::mutex>& lock, Deadline deadline);
  // Gives a turn back: to whoever waits longest, if anybody does. REQUIRES: the lock.
  void pass_on() noexcept;
  void leave() noexcept;

  const std::size_t max_passes_;
  const std::size_t max_waiting_;
  mutable std::mutex mutex_;
  std::list<Ticket*> tickets_;  // of those who wait, in order; each stands on its thread's stack
  std::size_t passes_ = 0;
  bool closed_ = false;
};

}  // namespace gyre::server
