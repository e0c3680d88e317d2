// GET /epoch: which epochs a server holds, each with its own metadata.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::protocol {

// One epoch as a server describes it.
struct EpochEntry {
  EpochId id;
  std::string generation;    // local to the server
  std::string published_at;  // local to the server; RFC 3339, UTC
  Bytes32 base{};            // content id of the base
  Metadata metadata;
  std::vector<std::string> resident;  // local to the server: "cpu", "reference", …

  friend bool operator==(const EpochEntry&, const EpochEntry&) = default;
};

struct EpochDocument {
  std::uint8_t party = 0;
  std::string boot;
  EpochEntry current;
  std::vector<EpochEntry> retained;  // from the newest to the oldest

  friend bool operator==(const EpochDocument&, const EpochDocument&) = default;
};

// Longer documents are refused, and so are more retained epochs.
inline constexpr std::size_t max_epoch_document_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t max_retained_entries = 1024;

[[nodiscard]] std::string encode_epoch_document(const EpochDocument& document);

// Strict: every member there and of its form, no other, and each entry in accord with itself (the
// id's base and number are those of the entry). Errors: bad_answer; out_of_memory.
[[nodiscard]] Result<EpochDocument> decode_epoch_document(std::string_view body);

// One entry, which other documents hold too. Reading is strict, as above, but a failure is
// malformed_request: what it means is for the document's reader to say.
[[nodiscard]] nlohmann::json epoch_entry_to_json(const EpochEntry& entry);
[[nodiscard]] Result<EpochEntry> epoch_entry_from_json(const nlohmann::json& object);

// What must be identical, byte for byte, on two servers that name an epoch alike: the entry as
// JSON, members sorted, no white space, without `generation`, `published_at` and `resident`.
[[nodiscard]] std::string identity_text(const EpochEntry& entry);

}  // namespace gyre::protocol
