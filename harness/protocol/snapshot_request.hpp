// What an admin asks for: another snapshot (POST /admin/snapshot), or an earlier epoch (POST
// /admin/rollback).
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::protocol {

inline constexpr std::size_t max_admin_request_bytes = std::size_t{64} << 10U;
inline constexpr std::size_t max_url_bytes = 4096;

// Rows without a manifest: the request itself says everything about them.
struct RawSnapshot {
  std::string url;
  Bytes32 sha256{};  // of the whole file
  Metadata metadata;

  friend bool operator==(const RawSnapshot&, const RawSnapshot&) = default;
};

// Everything is in the manifest; its rows file lies beside it.
struct ManifestSnapshot {
  std::string manifest_url;

  friend bool operator==(const ManifestSnapshot&, const ManifestSnapshot&) = default;
};

struct SnapshotRequest {
  std::variant<RawSnapshot, ManifestSnapshot> snapshot;
  bool discard_updates = false;  // batches that the snapshot cannot take over may be lost

  friend bool operator==(const SnapshotRequest&, const SnapshotRequest&) = default;
};

struct RollbackRequest {
  EpochId epoch;
  bool discard_updates = false;  // batches that it takes back may be lost

  friend bool operator==(const RollbackRequest&, const RollbackRequest&) = default;
};

// Strict: a raw request has every member of the metadata (null: "has none"), a request with a
// manifest has none of them; no other member, none twice. Whether the address can be used is for
// the source to say. Errors: malformed_request, unsupported_url (empty, too long, or with
// characters no address has), request_too_large, geometry_mismatch, misaligned_size,
// empty_snapshot, out_of_memory.
[[nodiscard]] Result<SnapshotRequest> decode_snapshot_request(std::string_view body);
[[nodiscard]] std::string encode_snapshot_request(const SnapshotRequest& request);

// Errors: malformed_request, request_too_large, out_of_memory.
[[nodiscard]] Result<RollbackRequest> decode_rollback_request(std::string_view body);
[[nodiscard]] std::string encode_rollback_request(const RollbackRequest& request);

}  // namespace gyre::protocol
