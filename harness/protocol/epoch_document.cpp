#include "harness/protocol/epoch_document.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/bytes.hpp"
#include "harness/protocol/json.hpp"
#include "harness/protocol/metadata_json.hpp"
#include "harness/protocol/query_codec.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

constexpr std::size_t max_boot_bytes = 64;
constexpr std::size_t max_published_at_bytes = 40;
constexpr std::size_t max_resident_entries = 16;
constexpr std::size_t max_resident_bytes = 64;

json identity(const EpochEntry& entry) {
  json object = {{"id", entry.id.text()}, {"base", to_hex(entry.base)}, {"seq", entry.id.seq}};
  add_metadata(object, entry.metadata);
  return object;
}

bool is_word(std::string_view text, std::size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Result<EpochDocument> document_from_text(std::string_view body) {
  auto parsed = parse_json(body, max_epoch_document_bytes);
  if (!parsed) return forward_error(parsed);
  const json& object = *parsed;
  auto members = require_members(object, {"party", "boot", "current", "retained"});
  if (!members) return forward_error(members);

  EpochDocument document;
  auto party = unsigned_member(object, "party", 1);
  if (!party) return forward_error(party);
  document.party = static_cast<std::uint8_t>(*party);
  auto boot = string_member(object, "boot", max_boot_bytes);
  if (!boot) return forward_error(boot);
  if (!is_word(*boot, max_boot_bytes)) {
    return fail(ErrorCode::malformed_request, "\"boot\" must be a short word");
  }
  document.boot = std::move(*boot);
  auto current = epoch_entry_from_json(object["current"]);
  if (!current) return forward_error(current);
  document.current = std::move(*current);
  const json& retained = object["retained"];
  if (!retained.is_array() || retained.size() > max_retained_entries) {
    return fail(ErrorCode::malformed_request,
                "\"retained\" must be an array of at most 1024 epochs");
  }
  for (const json& element : retained) {
    auto entry = epoch_entry_from_json(element);
    if (!entry) return forward_error(entry);
    document.retained.push_back(std::move(*entry));
  }
  return document;
}

}  // namespace

json epoch_entry_to_json(const EpochEntry& entry) {
  json object = identity(entry);
  object["generation"] = entry.generation;
  object["published_at"] = entry.published_at;
  object["resident"] = entry.resident;
  return object;
}

Result<EpochEntry> epoch_entry_from_json(const json& object) {
  auto members = require_members(
      object, {"id", "generation", "published_at", "base", "table", "as_of_seq", "seq", "geometry",
               "layout", "block_number", "state_root", "resident"});
  if (!members) return forward_error(members);
  EpochEntry entry;

  auto id_text = string_member(object, "id", EpochId::max_text_bytes);
  if (!id_text) return forward_error(id_text);
  auto id = EpochId::parse(*id_text);
  if (!id) return forward_error(id);
  entry.id = *id;
  auto base = hex_member(object, "base", entry.base);
  if (!base) return forward_error(base);
  auto seq = unsigned_member(object, "seq");
  if (!seq) return forward_error(seq);
  auto metadata = metadata_from_json(object);
  if (!metadata) return forward_error(metadata);
  entry.metadata = *metadata;
  if (*seq != entry.id.seq || entry.id.seq < entry.metadata.as_of_seq ||
      !std::equal(entry.id.base.begin(), entry.id.base.end(), entry.base.begin())) {
    return fail(ErrorCode::malformed_request, "an epoch's id does not fit its other members");
  }

  auto generation = string_member(object, "generation", max_generation_bytes);
  if (!generation) return forward_error(generation);
  auto published_at = string_member(object, "published_at", max_published_at_bytes);
  if (!published_at) return forward_error(published_at);
  if (!is_generation(*generation) || !is_word(*published_at, max_published_at_bytes)) {
    return fail(ErrorCode::malformed_request,
                "an epoch's generation or time is not of the documented form");
  }
  entry.generation = std::move(*generation);
  entry.published_at = std::move(*published_at);

  const json& resident = object["resident"];
  if (!resident.is_array() || resident.size() > max_resident_entries) {
    return fail(ErrorCode::malformed_request, "\"resident\" must be a short array");
  }
  for (const json& place : resident) {
    if (!place.is_string() || !is_word(place.get_ref<const std::string&>(), max_resident_bytes)) {
      return fail(ErrorCode::malformed_request, "\"resident\" must hold short words");
    }
    entry.resident.push_back(place.get<std::string>());
  }
  return entry;
}

std::string encode_epoch_document(const EpochDocument& document) {
  json retained = json::array();
  for (const EpochEntry& entry : document.retained) retained.push_back(epoch_entry_to_json(entry));
  return json{{"party", document.party},
              {"boot", document.boot},
              {"current", epoch_entry_to_json(document.current)},
              {"retained", std::move(retained)}}
      .dump();
}

Result<EpochDocument> decode_epoch_document(std::string_view body) try {
  auto document = document_from_text(body);
  if (document || document.error().code == ErrorCode::out_of_memory) return document;
  return fail(ErrorCode::bad_answer, "the server's epoch document is not of the documented form: " +
                                         document.error().message);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read an epoch document");
}

std::string identity_text(const EpochEntry& entry) {
  return identity(entry).dump();
}

}  // namespace gyre::protocol
