// One rotation: how far it is, how it ended, and the wish that it should stop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>

#include "core/error.hpp"
#include "harness/protocol/rotation_document.hpp"

namespace gyre::server {

// Thread-safe. One thread drives it: enter() … finish(); any thread may look, wait and cancel.
class Rotation {
 public:
  explicit Rotation(std::string id);
  Rotation(const Rotation&) = delete;
  Rotation& operator=(const Rotation&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] protocol::RotationDocument document() const;
  [[nodiscard]] bool ended() const;
  // How it failed or was cancelled. REQUIRES: it ended without an epoch.
  [[nodiscard]] Error error() const;
  void wait() const;
  // Whether it ended in that time.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time) const;

  // Asks it to stop, which it does soon; after the commit it goes on to its end.
  void cancel() noexcept { stop_.request_stop(); }
  [[nodiscard]] std::stop_token stop_token() const noexcept { return stop_.get_token(); }
  // Errors: cancelled.
  [[nodiscard]] Result<void> check_not_cancelled() const;

  void enter(protocol::RotationPhase phase);
  void expect_bytes(std::uint64_t total);
  void count_bytes(std::uint64_t more);

  // Each ends it; exactly one of them is called, once.
  void finish_published(protocol::EpochEntry epoch, std::uint64_t replayed,
                        std::uint64_t discarded);
  void finish_unchanged(protocol::EpochEntry epoch);
  void finish_failed(Error error);  // cancelled: its state is `cancelled`

 private:
  using Clock = std::chrono::steady_clock;

  // REQUIRES of both: the mutex is held.
  void end_phase(Clock::time_point now);
  void finish(protocol::RotationState state);

  const std::string id_;
  std::stop_source stop_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  protocol::RotationDocument document_;  // without the phase under way
  Clock::time_point phase_began_;
  Error error_{ErrorCode::internal, ""};
};

}  // namespace gyre::server
