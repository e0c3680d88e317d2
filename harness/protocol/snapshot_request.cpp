#include "harness/protocol/snapshot_request.hpp"

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/bytes.hpp"
#include "harness/protocol/json.hpp"
#include "harness/protocol/metadata_json.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

Result<std::string> url_member(const json& object, std::string_view member) {
  const json& value = object[std::string(member)];
  if (!value.is_string()) {
    return fail(ErrorCode::malformed_request, "\"" + std::string(member) + "\" must be a string");
  }
  const auto& text = value.get_ref<const std::string&>();
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (text.empty() || text.size() > max_url_bytes || !printable) {
    return fail(ErrorCode::unsupported_url,
                "\"" + std::string(member) + "\" must be an address of 1 to " +
                    std::to_string(max_url_bytes) + " printable ASCII characters");
  }
  return text;
}

Result<bool> discard_member(const json& object) {
  const auto found = object.find("discard_updates");
  if (found == object.end()) return false;
  if (!found->is_boolean()) {
    return fail(ErrorCode::malformed_request, "\"discard_updates\" must be true or false");
  }
  return found->get<bool>();
}

Result<SnapshotRequest> raw_request(const json& object, std::string_view url_name) {
  auto members = require_members(object,
                                 {url_name, "sha256", "table", "geometry", "layout", "as_of_seq",
                                  "block_number", "state_root"},
                                 {"discard_updates"});
  if (!members) {
    members.error().message +=
        "; a raw snapshot inherits nothing: its request states every field, null for \"has none\"";
    return forward_error(members);
  }
  RawSnapshot raw;
  auto url = url_member(object, url_name);
  if (!url) return forward_error(url);
  raw.url = std::move(*url);
  auto digest = hex_member(object, "sha256", raw.sha256);
  if (!digest) return forward_error(digest);
  auto metadata = metadata_from_json(object);
  if (!metadata) return forward_error(metadata);
  raw.metadata = *metadata;
  return SnapshotRequest{std::move(raw), false};
}

Result<SnapshotRequest> manifest_request(const json& object) {
  auto members = require_members(object, {"manifest_url"}, {"discard_updates"});
  if (!members) {
    members.error().message += "; the manifest says everything else";
    return forward_error(members);
  }
  auto url = url_member(object, "manifest_url");
  if (!url) return forward_error(url);
  return SnapshotRequest{ManifestSnapshot{std::move(*url)}, false};
}

Result<SnapshotRequest> request_from_json(const json& object) {
  if (!object.is_object()) {
    return fail(ErrorCode::malformed_request, "a request for a snapshot must be a JSON object");
  }
  const bool url = object.contains("url");
  const bool alias = object.contains("r2_url");
  const bool manifest = object.contains("manifest_url");
  if (int{url} + int{alias} + int{manifest} != 1) {
    return fail(ErrorCode::malformed_request,
                "a request must have exactly one of \"url\" (alias \"r2_url\") and "
                "\"manifest_url\"");
  }
  auto request = manifest ? manifest_request(object) : raw_request(object, url ? "url" : "r2_url");
  if (!request) return request;
  auto discard = discard_member(object);
  if (!discard) return forward_error(discard);
  request->discard_updates = *discard;
  return request;
}

Result<RollbackRequest> rollback_from_json(const json& object) {
  auto members = require_members(object, {"epoch"}, {"discard_updates"});
  if (!members) return forward_error(members);
  auto text = string_member(object, "epoch", EpochId::max_text_bytes);
  if (!text) return forward_error(text);
  auto id = EpochId::parse(*text);
  if (!id) return forward_error(id);
  auto discard = discard_member(object);
  if (!discard) return forward_error(discard);
  return RollbackRequest{*id, *discard};
}

}  // namespace

Result<SnapshotRequest> decode_snapshot_request(std::string_view body) try {
  auto object = parse_json(body, max_admin_request_bytes);
  if (!object) return forward_error(object);
  return request_from_json(*object);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a request");
}

std::string encode_snapshot_request(const SnapshotRequest& request) {
  json object = {{"discard_updates", request.discard_updates}};
  if (const auto* raw = std::get_if<RawSnapshot>(&request.snapshot)) {
    object["url"] = raw->url;
    object["sha256"] = to_hex(raw->sha256);
    add_metadata(object, raw->metadata);
  } else {
    object["manifest_url"] = std::get<ManifestSnapshot>(request.snapshot).manifest_url;
  }
  return object.dump();
}

Result<RollbackRequest> decode_rollback_request(std::string_view body) try {
  auto object = parse_json(body, max_admin_request_bytes);
  if (!object) return forward_error(object);
  return rollback_from_json(*object);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a request");
}

std::string encode_rollback_request(const RollbackRequest& request) {
  return json{{"epoch", request.epoch.text()}, {"discard_updates", request.discard_updates}}.dump();
}

}  // namespace gyre::protocol
