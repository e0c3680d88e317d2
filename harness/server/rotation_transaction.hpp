// The transaction that replaces the base: everything happens, or nothing does.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "core/epoch_table.hpp"
#include "core/epoch_writer.hpp"
#include "core/error.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/rotation_document.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/server/rotation.hpp"
#include "harness/server/snapshot_origin.hpp"

namespace gyre::server {

struct RotationLimits {
  std::chrono::milliseconds lock_timeout{5'000};  // how long a rotation waits for another
  std::uint64_t max_snapshot_bytes = std::uint64_t{256} << 30U;  // of the rows
  // Of the longest key that clients use here: a table that needs longer ones is refused.
  unsigned max_key_levels = 48;
};

// What a rotation works on. All of it must outlive the rotation.
struct RotationEnvironment {
  EpochTable& epochs;
  EpochWriter& writer;
  SnapshotOrigin& origin;
  StageImages stage;
  // Lets go of the images that nobody needs, before memory is reserved for another one, and returns
  // once their memory is there.
  std::function<void()> make_room = [] {};
  // Makes the new base durable; what it promises must hold once it returned.
  std::function<Result<void>()> commit = [] { return Result<void>(); };
  // Told of every rotation that has ended, on its thread. Must not throw.
  std::function<void(const protocol::RotationDocument&)> on_end = [](const auto&) {};
};

struct RotationOutcome {
  protocol::EpochEntry epoch;  // the new one, or the current one if the snapshot was its base
  bool unchanged = false;      // then nothing was done
  std::uint64_t replayed = 0;
  std::uint64_t discarded = 0;
};

// Runs all phases, each of which shows in `rotation`. Until the commit it stops soon after the
// rotation was cancelled. Memory beyond the images: a few chunks, and the chunk digests. Errors:
// rotation_in_progress, cancelled, unsupported_url, source_not_allowed, source_failed (also: no
// manifest), source_timed_out, request_too_large, digest_mismatch, geometry_mismatch,
// misaligned_size, empty_snapshot, key_domain_mismatch, out_of_memory, updates_would_be_lost,
// overlay_full, those of the backends and of `commit`. After an error everything is as before, but
// for earlier epochs that gave way to the image that was to come.
[[nodiscard]] Result<RotationOutcome> rotate(const RotationEnvironment& environment,
                                             const RotationLimits& limits,
                                             const protocol::SnapshotRequest& request,
                                             Rotation& rotation);

}  // namespace gyre::server
