// Places where something can fail, by name, so that a test can make it fail there.
//
// In builds with the option `fault_points` a point costs one predictable branch; in all others it
// compiles to nothing. Who decides what happens at a point is installed as a hook by the injector,
// which core does not know. See docs/testing.md, "Faults".
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.hpp"

namespace gyre {

// X(action, "word", what it does): what a plan can have happen at a point.
#define GYRE_FAULT_ACTIONS_TABLE(X)                                                     \
  X(off, "off", "nothing, but it counts")                                               \
  X(fail, "return", "return(code): the point fails with that error, or with its first") \
  X(delay, "delay", "delay(ms): goes on after that long")                               \
  X(partial, "partial", "partial(bytes): of what passes here only the first so many")   \
  X(corrupt, "corrupt", "corrupt(bits): so many bits of what passes here are flipped")  \
  X(pause, "pause", "waits until somebody releases the point or the plan ends")         \
  X(crash, "crash", "the process is gone at once, as if killed")

enum class FaultAction : std::uint8_t {
#define GYRE_ENUMERATE(action, word, effect) action,
  GYRE_FAULT_ACTIONS_TABLE(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

// Which actions a point allows beside `off`, which every point does.
enum class FaultActions : std::uint8_t {
  control,   // `return`, `delay`, `pause`, `crash`
  bytes,     // these, and `partial` and `corrupt` of the bytes that pass
  no_error,  // `delay` and `crash`: what is there cannot fail
};

// X(identifier, "name", where, allowed, errors it can fail with (the first is that of a plain
//   `return`), effect, what must hold afterwards)
#define GYRE_FAULT_POINTS_TABLE(X)                                                                 \
  X(host_alloc, "host.alloc", "memory for staging an image, or for an updated one, on the host",   \
    control, (out_of_memory), "the image is not made",                                             \
    "nothing is left allocated; the old epoch serves")                                             \
  X(device_alloc, "device.alloc", "memory for an image on a device", control,                      \
    (device_out_of_memory, device_failed, out_of_memory),                                          \
    "device_out_of_memory: the epoch comes without it and is promoted later; else it fails",       \
    "nothing is left allocated on the device or the host")                                         \
  X(device_upload, "device.upload", "rows go up to a device", bytes,                               \
    (device_upload_failed, device_failed, device_out_of_memory),                                   \
    "the image is not made; bytes lost or changed on the way are found before it serves",          \
    "device and host have their memory back; the old epoch serves")                                \
  X(device_sync, "device.sync", "waiting for copies to a device", control,                         \
    (device_upload_failed, device_failed), "the image is not made",                                \
    "device and host have their memory back; the old epoch serves")                                \
  X(device_copy, "device.copy", "an image is copied on its device, to be updated", control,        \
    (device_failed), "the updated image is not made", "the image is as it was")                    \
  X(device_read, "device.read", "rows come down from a device, to be updated or compared",         \
    control, (device_failed), "the updated image is not made", "the image is as it was")           \
  X(promotion_upload, "promotion.upload", "rows of the current epoch go up to a device", control,  \
    (device_upload_failed, device_out_of_memory, device_failed), "the promotion fails",            \
    "the epoch stays on its host image, the device has its memory back; tried again later")        \
  X(staging_seal, "staging.seal", "a staging area becomes an image", control,                      \
    (out_of_memory, internal), "the image is not made", "the staging area gave its memory back")   \
  X(seal_check, "seal.check", "a sealed image is compared with what was staged", control,          \
    (image_corrupt, out_of_memory), "the image is dropped before anybody sees it",                 \
    "its memory has gone back; the old epoch serves")                                              \
  X(epoch_alloc, "epoch.alloc", "memory for the next epoch", control, (out_of_memory),             \
    "what would have made it fails", "the current epoch stays")                                    \
  X(catalog_commit, "catalog.commit",                                                              \
    "what is to be published is recorded for the next start; as yet nothing is", control,          \
    (io_failed, disk_full), "the rotation fails",                                                  \
    "the images are destroyed; the old epoch serves")                                              \
  X(publish, "publish", "the swap that makes an epoch current", no_error, (), "cannot fail",       \
    "requests go on under the old epoch until it is done, under the new one after")                \
  X(rotation_start, "rotation.start", "a rotation gets its thread", control, (out_of_memory),      \
    "the rotation is refused", "nothing was begun")                                                \
  X(rotation_lock, "rotation.lock",                                                                \
    "a rotation, rollback, compaction or promotion takes its lock", control,                       \
    (rotation_in_progress, cancelled), "it fails", "nothing of it was read or changed")            \
  X(updates_lock, "updates.lock", "a batch takes the writer's lock", control,                      \
    (out_of_memory, internal), "the batch is refused", "it was never there; its number is free")   \
  X(overlay_append, "overlay.append", "a batch joins the overlay", control,                        \
    (out_of_memory, overlay_full), "the batch is refused",                                         \
    "it was never there; its number is free")                                                      \
  X(overlay_rebase, "overlay.rebase", "batches that came meanwhile go on top of folded images",    \
    control, (out_of_memory), "the compaction fails", "the epoch keeps its images and overlay")    \
  X(updates_log, "updates.log", "a batch joins the log of batches", control, (out_of_memory),      \
    "the batch is refused", "it was never there; its number is free")                              \
  X(updates_replay, "updates.replay", "batches since a base are found in the log", control,        \
    (out_of_memory, updates_would_be_lost), "the rotation fails",                                  \
    "as if it had never been attempted")                                                           \
  X(changes_alloc, "changes.alloc", "memory for what an overlay changes", control,                 \
    (out_of_memory), "the rotation, rollback, compaction or promotion fails",                      \
    "as if it had never been attempted")                                                           \
  X(compaction_build, "compaction.build", "an overlay is folded into new images", control,         \
    (out_of_memory, internal), "the compaction fails; it is tried again later",                    \
    "the epoch keeps its images and overlay")                                                      \
  X(query_lease, "query.lease", "a query, or somebody who looks, takes an epoch", control,         \
    (no_epoch, internal), "that request alone fails", "no lease is held")                          \
  X(query_scan, "query.scan", "a pass scans an image", control,                                    \
    (device_failed, device_out_of_memory, out_of_memory, internal),                                \
    "a device's error: the epoch's next image answers; else the requests of the pass fail",        \
    "no lease is held; other requests are answered")                                               \
  X(http_accept, "http.accept", "memory for a connection that has come to any listener", control,  \
    (out_of_memory), "it is closed, unanswered", "the others are answered")                        \
  X(http_receive, "http.receive", "bytes of a request are read", control, (io_failed),             \
    "the connection ends; its request is not answered",                                            \
    "no lease is held; other requests are answered")                                               \
  X(http_send, "http.send", "bytes of a response leave, but for streams of epochs", control,       \
    (io_failed), "the connection ends before the response is whole",                               \
    "its memory has gone back; other requests are answered")                                       \
  X(source_open, "source.open", "a source of snapshots is opened", control,                        \
    (source_failed, source_timed_out, not_found), "the rotation fails",                            \
    "no file or connection is left open")                                                          \
  X(source_connect, "source.connect", "a connection to an origin is made", control,                \
    (source_failed, source_timed_out), "the rotation fails", "no connection is left open")         \
  X(source_read, "source.read", "bytes of a source arrive", bytes,                                 \
    (source_failed, source_timed_out, io_failed, request_too_large),                               \
    "the rotation fails; bytes lost or changed on the way are found by length or digest",          \
    "staging gave its memory back; the old epoch serves")                                          \
  X(source_digest, "source.digest", "a chunk of a new snapshot is compared with its digest",       \
    control, (digest_mismatch), "the rotation fails",                                              \
    "staging gave its memory back; the old epoch serves")                                          \
  X(ingest_start, "ingest.start", "memory and threads to read a snapshot", control,                \
    (out_of_memory), "the rotation fails", "staging gave its memory back; the old epoch serves")   \
  X(validate, "validate", "a sealed snapshot is checked against its metadata", control,            \
    (digest_mismatch, internal), "the rotation fails",                                             \
    "its images are destroyed; the old epoch serves")                                              \
  X(retire, "retire", "epochs are let go after a rotation", control, (internal, out_of_memory),    \
    "they stay until a later round", "the new epoch is published all the same")                    \
  X(retain_alloc, "retain.alloc", "memory for a shorter list of retained epochs", control,         \
    (out_of_memory), "all of them stay until a later round", "current and retained are as before") \
  X(snapshot_open, "snapshot.open", "a file of a snapshot, or what it is built from, is opened",   \
    control, (io_failed), "the build, check or load fails", "no file is left open")                \
  X(snapshot_read, "snapshot.read", "such a file is read", control, (io_failed),                   \
    "the build, check or load fails", "a build leaves no file")                                    \
  X(snapshot_create, "snapshot.create", "a file for a new snapshot, or to spool it, is made",      \
    control, (io_failed, disk_full), "the build fails", "it leaves no file")                       \
  X(snapshot_write, "snapshot.write", "such a file is written", control, (disk_full, io_failed),   \
    "the build fails", "it leaves no file")                                                        \
  X(snapshot_sync, "snapshot.sync", "files of a new snapshot, or their names, are made durable",   \
    control, (io_failed, disk_full), "the build fails", "it leaves no file")                       \
  X(snapshot_rename, "snapshot.rename", "a file of a new snapshot gets its name", control,         \
    (io_failed), "the build fails", "it leaves no file, those that had their names included")

enum class FaultPoint : std::uint8_t {
#define GYRE_ENUMERATE(identifier, ...) identifier,
  GYRE_FAULT_POINTS_TABLE(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

// One row of the table.
struct FaultPointDescription {
  static constexpr std::size_t max_codes = 4;

  std::string_view name;
  std::string_view where;
  std::string_view effect;
  std::string_view afterwards;
  std::size_t code_count = 0;
  std::array<ErrorCode, max_codes> code_list{};
  FaultPoint point{};
  FaultActions actions{};

  // Those that it can really fail with, the first for a `return` that names none.
  [[nodiscard]] constexpr std::span<const ErrorCode> codes() const noexcept {
    return std::span(code_list).first(code_count);
  }
  [[nodiscard]] constexpr bool allows(FaultAction action) const noexcept {
    switch (action) {
      case FaultAction::off:
      case FaultAction::delay:
      case FaultAction::crash:
        return true;
      case FaultAction::fail:
      case FaultAction::pause:
        return actions != FaultActions::no_error;
      case FaultAction::partial:
      case FaultAction::corrupt:
        return actions == FaultActions::bytes;
    }
    return false;
  }
};

namespace fault_table {

struct Codes {
  std::array<ErrorCode, FaultPointDescription::max_codes> list{};
  std::size_t count = 0;
};
template <typename... Code>
constexpr Codes codes(Code... code) {
  return {{code...}, sizeof...(code)};
}

// The codes of a row by their short names.
using enum ErrorCode;

inline constexpr FaultPointDescription rows[] = {
#define GYRE_DESCRIBE(identifier, name, where, actions, errors, effect, afterwards) \
  FaultPointDescription{name,                                                       \
                        where,                                                      \
                        effect,                                                     \
                        afterwards,                                                 \
                        codes errors.count,                                         \
                        codes errors.list,                                          \
                        FaultPoint::identifier,                                     \
                        FaultActions::actions},
    GYRE_FAULT_POINTS_TABLE(GYRE_DESCRIBE)
#undef GYRE_DESCRIBE
};

// Every point says everything about itself, in words that a plan can have.
consteval bool complete() {
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const FaultPointDescription& row = rows[i];
    if (static_cast<std::size_t>(row.point) != i) return false;
    if (row.name.empty() || row.where.empty() || row.effect.empty() || row.afterwards.empty()) {
      return false;
    }
    for (const char c : row.name) {
      if ((c < 'a' || c > 'z') && c != '.') return false;
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (rows[j].name == row.name) return false;
    }
    if (row.allows(FaultAction::fail) == row.codes().empty()) return false;
  }
  return true;
}
static_assert(complete(), "a fault point is not fully declared");

}  // namespace fault_table

inline constexpr std::span<const FaultPointDescription> fault_points = fault_table::rows;

[[nodiscard]] constexpr const FaultPointDescription& describe(FaultPoint point) noexcept {
  return fault_points[static_cast<std::size_t>(point)];
}

#define GYRE_COUNT(...) +1
inline constexpr std::size_t fault_action_count = 0 GYRE_FAULT_ACTIONS_TABLE(GYRE_COUNT);
#undef GYRE_COUNT

// Its word in a plan, and what it does there.
[[nodiscard]] constexpr std::string_view name(FaultAction action) noexcept {
  constexpr std::string_view words[] = {
#define GYRE_WORD(action, word, effect) word,
      GYRE_FAULT_ACTIONS_TABLE(GYRE_WORD)
#undef GYRE_WORD
  };
  return words[static_cast<std::size_t>(action)];
}
[[nodiscard]] constexpr std::string_view effect(FaultAction action) noexcept {
  constexpr std::string_view effects[] = {
#define GYRE_EFFECT(action, word, effect) effect,
      GYRE_FAULT_ACTIONS_TABLE(GYRE_EFFECT)
#undef GYRE_EFFECT
  };
  return effects[static_cast<std::size_t>(action)];
}

#if defined(GYRE_FAULT_POINTS)

// Asked at every point that is reached, from any thread. Returns the error to fail with, or
// nothing.
using FaultHook = std::optional<Error> (*)(FaultPoint point);

// Asked instead where bytes pass. It may shorten them, and change what they are: in place where
// they are `writable`, else by pointing to others, which must stay as they are until the copy that
// they are for is over.
struct FaultBytes {
  std::span<const std::byte> bytes;
  std::span<std::byte> writable;  // the same bytes, or none
};
using FaultBytesHook = std::optional<Error> (*)(FaultPoint point, FaultBytes& bytes);

// Installs the hooks for the whole process; nullptr removes them. Without a hook for bytes the
// other one is asked there too. Thread-safe.
void set_fault_hook(FaultHook hook, FaultBytesHook bytes_hook = nullptr) noexcept;

namespace fault_table {

extern std::atomic<FaultHook> installed_hook;

[[nodiscard]] std::optional<Error> ask(FaultPoint point);
[[nodiscard]] std::optional<Error> ask(FaultPoint point, std::span<const std::byte>& bytes);
[[nodiscard]] std::optional<Error> ask(FaultPoint point, std::span<std::byte>& bytes);

[[nodiscard]] inline bool hooked() noexcept {
  return installed_hook.load(std::memory_order_acquire) != nullptr;
}

}  // namespace fault_table

// The point alone.
#define GYRE_FAULT_POINT(point)                                               \
  do {                                                                        \
    if (::gyre::fault_table::hooked()) [[unlikely]] {                         \
      if (auto fault = ::gyre::fault_table::ask(::gyre::FaultPoint::point)) { \
        return ::tl::unexpected<::gyre::Error>(std::move(*fault));            \
      }                                                                       \
    }                                                                         \
  } while (false)

// The point in a function that returns no Result: `...`, a `return` or a `throw`, is how it fails.
#define GYRE_FAULT_POINT_OR(point, ...)                                      \
  do {                                                                       \
    if (::gyre::fault_table::hooked()) [[unlikely]] {                        \
      if (::gyre::fault_table::ask(::gyre::FaultPoint::point).has_value()) { \
        __VA_ARGS__;                                                         \
      }                                                                      \
    }                                                                        \
  } while (false)

// Where `bytes`, a variable of type std::span<const std::byte> or std::span<std::byte>, pass.
#define GYRE_FAULT_POINT_OF_BYTES(point, bytes)                                      \
  do {                                                                               \
    if (::gyre::fault_table::hooked()) [[unlikely]] {                                \
      if (auto fault = ::gyre::fault_table::ask(::gyre::FaultPoint::point, bytes)) { \
        return ::tl::unexpected<::gyre::Error>(std::move(*fault));                   \
      }                                                                              \
    }                                                                                \
  } while (false)

// Where nothing can fail; the function may be noexcept.
#define GYRE_FAULT_POINT_WITHOUT_ERROR(point)                                 \
  do {                                                                        \
    if (::gyre::fault_table::hooked()) [[unlikely]] {                         \
      static_cast<void>(::gyre::fault_table::ask(::gyre::FaultPoint::point)); \
    }                                                                         \
  } while (false)

#else

#define GYRE_FAULT_POINT(point) static_cast<void>(0)
#define GYRE_FAULT_POINT_OR(point, ...) static_cast<void>(0)
#define GYRE_FAULT_POINT_OF_BYTES(point, bytes) static_cast<void>(0)
#define GYRE_FAULT_POINT_WITHOUT_ERROR(point) static_cast<void>(0)

#endif

}  // namespace gyre
