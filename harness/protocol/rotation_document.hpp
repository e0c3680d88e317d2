// A rotation as people and programs see it: GET /admin/rotations/{id}.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "harness/protocol/epoch_document.hpp"

namespace gyre::protocol {

// X(phase, what is done in it), in their order.
#define GYRE_ROTATION_PHASES(X)                                              \
  X(lock, "waits for the right to replace the base")                         \
  X(open, "reads the manifest, opens the rows and reserves memory")          \
  X(stream, "reads rows into staging, and hashes them on the way")           \
  X(digest, "waits for the digests and compares them")                       \
  X(seal, "makes images of what was staged")                                 \
  X(validate, "checks images and metadata against each other")               \
  X(commit, "puts the batches since on top; cannot be cancelled afterwards") \
  X(publish, "makes the epoch current")                                      \
  X(retire, "lets go of epochs that are retained no longer")

enum class RotationPhase : std::uint8_t {
#define GYRE_ENUMERATE(phase, meaning) phase,
  GYRE_ROTATION_PHASES(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};
inline constexpr std::size_t rotation_phases = 9;

// X(state): every one but `running` is final.
#define GYRE_ROTATION_STATES(X) X(running) X(published) X(unchanged) X(failed) X(cancelled)

enum class RotationState : std::uint8_t {
#define GYRE_ENUMERATE(state) state,
  GYRE_ROTATION_STATES(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};
inline constexpr std::size_t rotation_states = 5;

// The words of the wire.
[[nodiscard]] std::string_view name(RotationPhase phase) noexcept;
[[nodiscard]] std::string_view name(RotationState state) noexcept;

struct PhaseTime {
  RotationPhase phase = RotationPhase::lock;
  double seconds = 0;

  friend bool operator==(const PhaseTime&, const PhaseTime&) = default;
};

struct RotationDocument {
  struct Failure {
    std::string code;    // as in a problem document
    std::string detail;  // for people

    friend bool operator==(const Failure&, const Failure&) = default;
  };

  std::string id;
  RotationState state = RotationState::running;
  RotationPhase phase = RotationPhase::lock;  // under way, or the last one
  std::string started_at;                     // RFC 3339, UTC
  std::uint64_t bytes = 0;                    // rows staged
  std::optional<std::uint64_t> total_bytes;   // known once the snapshot's geometry is
  double bytes_per_second = 0;                // while streaming
  std::vector<PhaseTime> phases;              // in their order, the one under way so far
  std::optional<Failure> error;               // of one that failed or was cancelled
  std::optional<EpochEntry> epoch;            // of one published (the new one) or unchanged
  std::uint64_t replayed = 0;                 // batches put on top of the new base
  std::uint64_t discarded = 0;                // batches it does not have

  friend bool operator==(const RotationDocument&, const RotationDocument&) = default;
};

inline constexpr std::size_t max_rotation_id_bytes = 64;
inline constexpr std::size_t max_rotation_document_bytes = std::size_t{64} << 10U;

[[nodiscard]] std::string encode_rotation(const RotationDocument& rotation);
// {"rotations": [newest, …]}
[[nodiscard]] std::string encode_rotations(const std::vector<RotationDocument>& rotations);

// The answer to a request that waited: the members of E, and "rotation" (the id), "state",
// "phases", "replayed", "discarded". REQUIRES: rotation.epoch.
[[nodiscard]] std::string encode_rotation_answer(const RotationDocument& rotation);

// Strict. Characters of the failure's detail that are not printable ASCII become '?'. Errors:
// bad_answer, out_of_memory.
[[nodiscard]] Result<RotationDocument> decode_rotation(std::string_view body);

}  // namespace gyre::protocol
