#include "harness/snapshot/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/bytes.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/protocol/json.hpp"
#include "harness/protocol/metadata_json.hpp"

namespace gyre::snapshot {
namespace {

using nlohmann::json;

constexpr std::string_view format_name = "gyre-snapshot";
constexpr std::uint64_t format_version = 1;
constexpr std::size_t max_file_name_bytes = 200;

bool is_word(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// A manifest is no request.
tl::unexpected<Error> in_manifest(Error error) {
  if (error.code == ErrorCode::malformed_request || error.code == ErrorCode::request_too_large) {
    error.code = ErrorCode::malformed_input;
  }
  error.message = "in the manifest, " + error.message;
  return tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> malformed(std::string_view sentence) {
  return fail(ErrorCode::malformed_input, "in the manifest, " + std::string(sentence));
}

Result<Manifest> from_json(const json& document) {
  auto members = protocol::require_members(
      document,
      {"format", "version", "table", "as_of_seq", "geometry", "layout", "block_number",
       "state_root", "keys", "file", "bytes", "chunk_bytes", "chunks", "sha256", "content_id"});
  if (!members) return in_manifest(std::move(members.error()));
  const auto version = protocol::unsigned_member(document, "version");
  if (document["format"] != format_name || !version || *version != format_version) {
    return malformed("\"format\" must be \"gyre-snapshot\" and \"version\" 1");
  }
  Manifest manifest;
  auto metadata = protocol::metadata_from_json(document);
  if (!metadata) return in_manifest(std::move(metadata.error()));
  manifest.metadata = *metadata;
  const Geometry& geometry = manifest.metadata.geometry;

  const bool keyed = std::holds_alternative<Cuckoo3Layout>(manifest.metadata.layout);
  if (keyed) {
    auto keys = protocol::unsigned_member(document, "keys", geometry.rows);
    if (!keys) return in_manifest(std::move(keys.error()));
    manifest.keys = *keys;
  } else if (!document["keys"].is_null()) {
    return malformed("\"keys\" must be null where rows are found by their number");
  }

  auto file = protocol::string_member(document, "file", max_file_name_bytes);
  if (!file) return in_manifest(std::move(file.error()));
  if (!is_plain_file_name(*file)) {
    return malformed(
        "\"file\" must be a name of letters, digits, '_', '.' and '-' in the manifest's "
        "own directory");
  }
  manifest.file = std::move(*file);

  auto bytes = protocol::unsigned_member(document, "bytes");
  if (!bytes) return in_manifest(std::move(bytes.error()));
  if (*bytes != geometry.bytes()) {
    return fail(ErrorCode::geometry_mismatch,
                "in the manifest, \"bytes\" must be rows times row_bytes");
  }
  const auto chunk_bytes = protocol::unsigned_member(document, "chunk_bytes");
  if (!chunk_bytes || *chunk_bytes != digest_chunk_bytes) {
    return malformed("\"chunk_bytes\" must be " + std::to_string(digest_chunk_bytes));
  }
  const json& chunks = document["chunks"];
  if (!chunks.is_array() || chunks.size() != chunk_count(geometry) || chunks.size() > max_chunks) {
    return fail(
        ErrorCode::geometry_mismatch,
        "in the manifest, \"chunks\" must list one digest for every 1 MiB of the rows file, "
        "at most " +
            std::to_string(max_chunks));
  }
  manifest.chunk_digests.resize(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (!protocol::read_lower_hex(chunks[i], manifest.chunk_digests[i])) {
      return malformed("every one of \"chunks\" must be 64 lower-case hex digits");
    }
  }
  auto sha256 = protocol::hex_member<32>(document, "sha256");
  if (!sha256) return in_manifest(std::move(sha256.error()));
  manifest.sha256 = *sha256;
  auto stated = protocol::hex_member<32>(document, "content_id");
  if (!stated) return in_manifest(std::move(stated.error()));
  manifest.content_id = *stated;
  if (content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256) != *stated) {
    return fail(ErrorCode::digest_mismatch,
                "the manifest's content id must be the one of its metadata and chunk digests");
  }
  return manifest;
}

}  // namespace

bool is_plain_file_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= max_file_name_bytes && is_word(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

std::uint64_t chunk_count(const Geometry& geometry) noexcept {
  return divide_rounding_up(geometry.bytes(), digest_chunk_bytes);
}

std::string manifest_to_text(const Manifest& manifest) {
  json chunks = json::array();
  for (const Bytes32& digest : manifest.chunk_digests) chunks.push_back(to_hex(digest));
  json document = {{"format", format_name},
                   {"version", format_version},
                   {"file", manifest.file},
                   {"bytes", manifest.metadata.geometry.bytes()},
                   {"chunk_bytes", digest_chunk_bytes},
                   {"chunks", std::move(chunks)},
                   {"sha256", to_hex(manifest.sha256)},
                   {"content_id", to_hex(manifest.content_id)},
                   {"keys", manifest.keys ? json(*manifest.keys) : json(nullptr)}};
  protocol::add_metadata(document, manifest.metadata);
  return document.dump(2) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text) try {
  constexpr std::size_t other_values = 64;
  auto document = protocol::parse_json(text, max_manifest_bytes, max_chunks + other_values);
  if (!document) return in_manifest(std::move(document.error()));
  return from_json(*document);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a manifest");
}

}  // namespace gyre::snapshot
