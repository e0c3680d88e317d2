#include "harness/protocol/metadata_json.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "core/bytes.hpp"
#include "harness/protocol/json.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

constexpr std::uint64_t max_u32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t max_word_bytes = 32;

const json& member(const json& object, const char* name) {
  static const json missing;
  const auto found = object.find(name);
  return found == object.end() ? missing : *found;
}

}  // namespace

json geometry_to_json(const Geometry& geometry) {
  return json{{"rows", geometry.rows},
              {"row_bytes", geometry.row_bytes},
              {"rows_per_page", geometry.rows_per_page}};
}

json layout_to_json(const Layout& layout) {
  const auto* cuckoo = std::get_if<Cuckoo3Layout>(&layout);
  if (cuckoo == nullptr) return json{{"kind", "index"}};
  json seeds = json::array();
  for (const Bytes16& seed : cuckoo->seeds) seeds.push_back(to_hex(seed));
  return json{{"kind", "cuckoo3"},
              {"seeds", std::move(seeds)},
              {"tag_key", to_hex(cuckoo->tag_key)},
              {"value", name(cuckoo->value)},
              {"value_bytes", cuckoo->value_bytes}};
}

void add_metadata(json& object, const Metadata& metadata) {
  object["table"] = to_hex(metadata.table);
  object["as_of_seq"] = metadata.as_of_seq;
  object["geometry"] = geometry_to_json(metadata.geometry);
  object["layout"] = layout_to_json(metadata.layout);
  object["block_number"] = metadata.block_number ? json(*metadata.block_number) : json(nullptr);
  object["state_root"] = metadata.state_root ? json(to_hex(*metadata.state_root)) : json(nullptr);
}

Result<Geometry> geometry_from_json(const json& value) {
  auto members = require_members(value, {"rows", "row_bytes", "rows_per_page"});
  if (!members) return forward_error(members);
  auto rows = unsigned_member(value, "rows");
  if (!rows) return forward_error(rows);
  auto row_bytes = unsigned_member(value, "row_bytes", max_u32);
  if (!row_bytes) return forward_error(row_bytes);
  auto rows_per_page = unsigned_member(value, "rows_per_page", max_u32);
  if (!rows_per_page) return forward_error(rows_per_page);
  return Geometry::create(*rows, static_cast<std::uint32_t>(*row_bytes),
                          static_cast<std::uint32_t>(*rows_per_page));
}

Result<Layout> layout_from_json(const json& value) {
  if (!value.is_object()) {
    return fail(ErrorCode::malformed_request, "\"layout\" must be an object with a \"kind\"");
  }
  auto kind = string_member(value, "kind", max_word_bytes);
  if (!kind) return forward_error(kind);
  if (*kind == "index") {
    auto members = require_members(value, {"kind"});
    if (!members) return forward_error(members);
    return IndexLayout{};
  }
  if (*kind != "cuckoo3") {
    return fail(ErrorCode::malformed_request,
                "a layout's \"kind\" must be \"index\" or \"cuckoo3\"");
  }
  auto members = require_members(value, {"kind", "seeds", "tag_key", "value", "value_bytes"});
  if (!members) return forward_error(members);

  Cuckoo3Layout layout;
  const json& seeds = member(value, "seeds");
  bool seeds_read = seeds.is_array() && seeds.size() == layout.seeds.size();
  for (std::size_t i = 0; seeds_read && i < layout.seeds.size(); ++i) {
    seeds_read = read_lower_hex(seeds[i], layout.seeds[i]);
  }
  if (!seeds_read) {
    return fail(ErrorCode::malformed_request,
                "\"seeds\" must be three strings of 32 lower-case hex digits");
  }
  auto tag_key = hex_member(value, "tag_key", layout.tag_key);
  if (!tag_key) return forward_error(tag_key);
  auto value_kind = string_member(value, "value", max_word_bytes);
  if (!value_kind) return forward_error(value_kind);
  if (*value_kind == name(ValueKind::bytes)) {
    layout.value = ValueKind::bytes;
  } else if (*value_kind == name(ValueKind::ethereum_account)) {
    layout.value = ValueKind::ethereum_account;
  } else {
    return fail(ErrorCode::malformed_request,
                "a layout's \"value\" must be \"ethereum-account\" or \"bytes\"");
  }
  auto value_bytes = unsigned_member(value, "value_bytes", Geometry::max_row_bytes - tag_bytes);
  if (!value_bytes) return forward_error(value_bytes);
  layout.value_bytes = static_cast<std::uint32_t>(*value_bytes);
  return layout;
}

Result<Metadata> metadata_from_json(const json& object) {
  if (!object.is_object()) {
    return fail(ErrorCode::malformed_request, "metadata must be a JSON object");
  }
  Metadata metadata;
  auto geometry = geometry_from_json(member(object, "geometry"));
  if (!geometry) return forward_error(geometry);
  metadata.geometry = *geometry;
  auto layout = layout_from_json(member(object, "layout"));
  if (!layout) return forward_error(layout);
  metadata.layout = *layout;
  auto table = hex_member(object, "table", metadata.table);
  if (!table) return forward_error(table);
  auto as_of_seq = unsigned_member(object, "as_of_seq");
  if (!as_of_seq) return forward_error(as_of_seq);
  metadata.as_of_seq = *as_of_seq;

  // Null says "has none"; leaving the member out says nothing, and is refused.
  if (!object.contains("block_number") || !object.contains("state_root")) {
    return fail(ErrorCode::malformed_request,
                "\"block_number\" and \"state_root\" must be stated; null says \"has none\"");
  }
  if (!member(object, "block_number").is_null()) {
    auto block_number = unsigned_member(object, "block_number");
    if (!block_number) return forward_error(block_number);
    metadata.block_number = *block_number;
  }
  if (!member(object, "state_root").is_null()) {
    auto state_root = hex_member<32>(object, "state_root");
    if (!state_root) return forward_error(state_root);
    metadata.state_root = *state_root;
  }
  auto consistent = check_consistent(metadata);
  if (!consistent) return forward_error(consistent);
  return metadata;
}

}  // namespace gyre::protocol
