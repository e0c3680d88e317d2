// Places where something can fail, by name, so that a test can make it fail there.
//
// In builds with the option `fault_points` a point costs one predictable branch; in all others it
// compiles to nothing. Who decides what happens at a point is installed as a hook by the injector,
// which core does not know. See docs/architecture.md, "Fault points".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.hpp"

namespace gyre {

// X(identifier, "name", where it is and what its failure must leave behind)
#define GYRE_FAULT_POINTS_TABLE(X)                                                              \
  X(host_alloc, "host.alloc",                                                                   \
    "memory for staging an image on the host; nothing is left allocated")                       \
  X(device_alloc, "device.alloc",                                                               \
    "memory for an image on a device; nothing is left allocated there")                         \
  X(device_upload, "device.upload",                                                             \
    "rows go up to a device; the device has its memory back and the old epoch serves")          \
  X(device_sync, "device.sync", "waiting for copies to a device; the same as for an upload")    \
  X(promotion_upload, "promotion.upload",                                                       \
    "rows of the current epoch go up to a device; the epoch stays on its host image")           \
  X(staging_seal, "staging.seal", "a staging area becomes an image; it gives its memory back")  \
  X(epoch_alloc, "epoch.alloc", "memory for the next epoch; the current one stays")             \
  X(rotation_lock, "rotation.lock", "a rotation takes its lock; it fails, nothing was read")    \
  X(updates_lock, "updates.lock", "a batch takes the writer's lock; it was never there")        \
  X(overlay_append, "overlay.append", "a batch joins the overlay; it was never there")          \
  X(compaction_build, "compaction.build", "an overlay is folded; the epoch keeps its images")   \
  X(query_lease, "query.lease", "a query takes its epoch; that request alone fails")            \
  X(query_scan, "query.scan", "a pass scans an image; the requests in that pass alone fail")    \
  X(source_digest, "source.digest",                                                             \
    "a chunk of a new snapshot is compared with its digest; the epoch stays")                   \
  X(validate, "validate", "a sealed snapshot is checked against its metadata; the epoch stays") \
  X(retire, "retire", "epochs are let go after a rotation; the new epoch is published anyway")  \
  X(source_open, "source.open",                                                                 \
    "a source of snapshots is opened; no file or connection is left open")                      \
  X(source_connect, "source.connect",                                                           \
    "a connection to an origin is made; no connection is left open")                            \
  X(source_read, "source.read", "bytes of a source are read; the source alone is of no more use")

enum class FaultPoint : std::uint8_t {
#define GYRE_ENUMERATE(identifier, name, stands_for) identifier,
  GYRE_FAULT_POINTS_TABLE(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

#if defined(GYRE_FAULT_POINTS)

// Asked at every point that is reached, from any thread. Returns the error to fail with, or
// nothing.
using FaultHook = std::optional<Error> (*)(FaultPoint point);

// Installs the hook for the whole process; nullptr removes it. Thread-safe.
void set_fault_hook(FaultHook hook) noexcept;

[[nodiscard]] std::optional<Error> fault_at(FaultPoint point);

#define GYRE_FAULT_POINT(point)                                                  \
  do {                                                                           \
    if (auto fault = ::gyre::fault_at(::gyre::FaultPoint::point)) [[unlikely]] { \
      return ::tl::unexpected<::gyre::Error>(std::move(*fault));                 \
    }                                                                            \
  } while (false)

#else

#define GYRE_FAULT_POINT(point) static_cast<void>(0)

#endif

}  // namespace gyre
