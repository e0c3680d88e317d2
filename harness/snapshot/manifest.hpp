// What describes a snapshot's rows file. docs/formats.md, "Manifest".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::snapshot {

// Chunks a manifest may list: rows of nearly 880 GiB. With it the length of a manifest is bounded.
inline constexpr std::size_t max_chunks = 900'000;
inline constexpr std::size_t max_manifest_bytes = std::size_t{72} << 20U;

struct Manifest {
  Metadata metadata;
  std::string file;                    // the rows file's name, in the manifest's directory
  std::vector<Bytes32> chunk_digests;  // of every digest_chunk_bytes of the rows file, in order
  Bytes32 sha256{};                    // of the whole rows file
  Bytes32 content_id{};
  std::optional<std::uint64_t> keys;  // rows in use, for people; nothing in an index layout

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// A name that is the same file on every system and cannot leave its directory: 1 to 200
// letters, digits, '_', '.' and '-', the first a letter, digit or '_'.
[[nodiscard]] bool is_plain_file_name(std::string_view name) noexcept;

// Chunks of a rows file of this geometry.
[[nodiscard]] std::uint64_t chunk_count(const Geometry& geometry) noexcept;

[[nodiscard]] std::string manifest_to_text(const Manifest& manifest);

// Strict: every member there, no other, each of its type and within its bounds; as many chunk
// digests as the geometry has chunks; the content id is the one of the metadata and the digests. A
// pure function of the bytes. Errors: malformed_input, geometry_mismatch, misaligned_size,
// empty_snapshot, digest_mismatch (content id), out_of_memory.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text);

}  // namespace gyre::snapshot
