// Reading snapshots back: into a backend's image, or only to see whether they are whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch.hpp"
#include "core/error.hpp"
#include "harness/snapshot/manifest.hpp"
#include "harness/snapshot/progress.hpp"

namespace gyre::snapshot {

// Errors: io_failed, what parse_manifest says.
[[nodiscard]] Result<Manifest> read_manifest(const std::filesystem::path& path);

struct LoadedSnapshot {
  Images images;                 // in the order of the backends
  bool needs_promotion = false;  // a device had no room for its image
  Metadata metadata;
  Bytes32 content_id{};
};

// Streams the rows file into the backends, the preferred first, chunk by chunk, each only after its
// digest was right; memory beyond the images is O(chunk). See StagingSet for which images are
// checked and for what happens to a device without room. Errors: io_failed, what parse_manifest
// says, geometry_mismatch (the file is longer or shorter than the manifest says), digest_mismatch
// (names the chunk), those of StagingSet, cancelled. After an error the backends have everything
// back.
[[nodiscard]] Result<LoadedSnapshot> load_snapshot(const std::filesystem::path& manifest_path,
                                                   std::span<Backend* const> backends,
                                                   const Watch& watch);
// The same into one, which must be in host memory.
[[nodiscard]] Result<LoadedSnapshot> load_snapshot(const std::filesystem::path& manifest_path,
                                                   Backend& backend, const Watch& watch);

// What is wrong with a snapshot whose manifest can be read.
struct Verification {
  Manifest manifest;
  std::vector<std::uint64_t> wrong_chunks;  // numbers from 0, in order
  std::vector<std::string> problems;        // one sentence each; none: the snapshot is whole
  bool checked_builder_file = false;        // it lay beside the manifest
};

// Recomputes all digests; in a keyed table counts the rows in use, and if the private builder file
// is there, looks every key up in the rows. Errors: when nothing could be compared, as above.
[[nodiscard]] Result<Verification> verify_snapshot(const std::filesystem::path& manifest_path,
                                                   const Watch& watch);

}  // namespace gyre::snapshot
