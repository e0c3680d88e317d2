#include "harness/server/rotation.hpp"

#include <algorithm>
#include <utility>

#include "harness/server/epoch_entry.hpp"

namespace gyre::server {

using protocol::PhaseTime;
using protocol::RotationDocument;
using protocol::RotationPhase;
using protocol::RotationState;

Rotation::Rotation(std::string id) : id_(std::move(id)), phase_began_(Clock::now()) {
  document_.id = id_;
  document_.started_at = rfc3339(std::chrono::system_clock::now());
}

RotationDocument Rotation::document() const {
  const std::lock_guard lock(mutex_);
  RotationDocument document = document_;
  if (document.state == RotationState::running) {
    const std::chrono::duration<double> so_far = Clock::now() - phase_began_;
    document.phases.push_back({document.phase, so_far.count()});
  }
  const auto stream =
      std::find_if(document.phases.begin(), document.phases.end(),
                   [](const PhaseTime& time) { return time.phase == RotationPhase::stream; });
  if (stream != document.phases.end() && stream->seconds > 0) {
    document.bytes_per_second = static_cast<double>(document.bytes) / stream->seconds;
  }
  return document;
}

bool Rotation::ended() const {
  const std::lock_guard lock(mutex_);
  return document_.state != RotationState::running;
}

Error Rotation::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void Rotation::wait() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return document_.state != RotationState::running; });
}

bool Rotation::wait_for(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time,
                           [this] { return document_.state != RotationState::running; });
}

Result<void> Rotation::check_not_cancelled() const {
  if (!stop_.stop_requested()) return {};
  return fail(ErrorCode::cancelled, "the rotation was cancelled; nothing has changed");
}

void Rotation::end_phase(Clock::time_point now) {
  const std::chrono::duration<double> seconds = now - phase_began_;
  document_.phases.push_back({document_.phase, seconds.count()});
  phase_began_ = now;
}

void Rotation::enter(RotationPhase phase) {
  const std::lock_guard lock(mutex_);
  if (phase == document_.phase) return;
  end_phase(Clock::now());
  document_.phase = phase;
}

void Rotation::expect_bytes(std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  document_.total_bytes = total;
}

void Rotation::count_bytes(std::uint64_t more) {
  const std::lock_guard lock(mutex_);
  document_.bytes += more;
}

void Rotation::finish(RotationState state) {
  end_phase(Clock::now());
  document_.state = state;
  changed_.notify_all();
}

void Rotation::finish_published(protocol::EpochEntry epoch, std::uint64_t replayed,
                                std::uint64_t discarded) {
  const std::lock_guard lock(mutex_);
  document_.epoch = std::move(epoch);
  document_.replayed = replayed;
  document_.discarded = discarded;
  finish(RotationState::published);
}

void Rotation::finish_unchanged(protocol::EpochEntry epoch) {
  const std::lock_guard lock(mutex_);
  document_.epoch = std::move(epoch);
  finish(RotationState::unchanged);
}

void Rotation::finish_failed(Error error) {
  const std::lock_guard lock(mutex_);
  document_.error = RotationDocument::Failure{std::string(gyre::name(error.code)), error.message};
  const bool cancelled = error.code == ErrorCode::cancelled;
  error_ = std::move(error);
  finish(cancelled ? RotationState::cancelled : RotationState::failed);
}

}  // namespace gyre::server
