// All rotations of a server: starts them, remembers them, cancels them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "harness/protocol/rotation_document.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/server/rotation.hpp"
#include "harness/server/rotation_transaction.hpp"

namespace gyre::server {

// Thread-safe.
class RotationService {
 public:
  static constexpr std::size_t kept = 100;       // rotations that are remembered
  static constexpr std::size_t max_running = 8;  // one works, the others wait for the lock

  // `boot`: a word that differs from boot to boot; ids begin with it.
  RotationService(RotationEnvironment environment, RotationLimits limits, std::string_view boot);
  // As stop().
  ~RotationService();
  RotationService(const RotationService&) = delete;
  RotationService& operator=(const RotationService&) = delete;

  // Begins a rotation on a thread of its own, which goes on whether anybody waits or not. Errors:
  // draining, rotation_in_progress (as many wait as may), out_of_memory.
  [[nodiscard]] Result<std::shared_ptr<Rotation>> start(protocol::SnapshotRequest request);

  // Makes a retained epoch current again; waits for the lock as a rotation does. Errors: draining,
  // rotation_in_progress, those of EpochWriter::roll_back.
  [[nodiscard]] Result<EpochWriter::Installed> roll_back(const protocol::RollbackRequest& request);

  // Errors: not_found.
  [[nodiscard]] Result<std::shared_ptr<Rotation>> find(std::string_view id) const;
  // From the newest to the oldest.
  [[nodiscard]] std::vector<std::shared_ptr<Rotation>> list() const;
  [[nodiscard]] std::size_t running() const;  // right now, those that wait for the lock included

  // Begins nothing any more, cancels what runs and returns when it has ended.
  void stop();

 private:
  struct Entry {
    std::shared_ptr<Rotation> rotation;
    std::jthread thread;
  };

  void run(const protocol::SnapshotRequest& request, Rotation& rotation);
  // Joins threads that are done and forgets the oldest. REQUIRES: the mutex is held.
  void tidy();

  const RotationEnvironment environment_;
  const RotationLimits limits_;
  const std::string id_prefix_;
  std::stop_source stop_;  // of rollbacks that wait
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::uint64_t count_ = 0;
  std::deque<Entry> entries_;  // the oldest first
};

}  // namespace gyre::server
