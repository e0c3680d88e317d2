// The keys of a snapshot with their rows and values, from its private builder file and its rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "core/error.hpp"
#include "harness/snapshot/manifest.hpp"
#include "harness/snapshot/progress.hpp"

namespace gyre::feed {

using SnapshotVisitor =
    std::function<Result<void>(std::uint64_t tag, std::uint64_t row, std::span<const std::byte> key,
                               std::span<const std::byte> value)>;

// Verifies the whole snapshot, then calls visit for every key. Errors: io_failed, what
// read_manifest, verify_snapshot and read_builder_file return, digest_mismatch (a file is not what
// the manifest says), cancelled, what visit returns. REQUIRES: a keyed table.
[[nodiscard]] Result<snapshot::Manifest> read_whole_snapshot(
    const std::filesystem::path& manifest_path, const std::filesystem::path& builder_path,
    const snapshot::Watch& watch, const SnapshotVisitor& visit);

}  // namespace gyre::feed
