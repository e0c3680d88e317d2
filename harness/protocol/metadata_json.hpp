// Metadata as JSON, the same in a manifest and in GET /epoch. docs/formats.md, "Metadata in JSON".
//
// Thread-safety: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::protocol {

// {"rows", "row_bytes", "rows_per_page"}
[[nodiscard]] nlohmann::json geometry_to_json(const Geometry& geometry);
// {"kind": "index"} or {"kind": "cuckoo3", "seeds", "tag_key", "value", "value_bytes"}
[[nodiscard]] nlohmann::json layout_to_json(const Layout& layout);

// Adds the six members of metadata to an object: "table", "as_of_seq", "geometry", "layout",
// "block_number", "state_root"; the last two null for "has none". REQUIRES: an object.
void add_metadata(nlohmann::json& object, const Metadata& metadata);

// The way back. Strict: every member there, no other, each of its type and within its bounds.
// Errors: malformed_request (form), geometry_mismatch, misaligned_size, empty_snapshot (what
// Geometry::create and check_consistent refuse). Callers whose input is no request put their own
// code in place of the first.
[[nodiscard]] Result<Geometry> geometry_from_json(const nlohmann::json& value);
[[nodiscard]] Result<Layout> layout_from_json(const nlohmann::json& value);

// Reads the six members of an object that may have others. The result is consistent.
[[nodiscard]] Result<Metadata> metadata_from_json(const nlohmann::json& object);

}  // namespace gyre::protocol
