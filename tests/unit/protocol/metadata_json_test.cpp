#include "harness/protocol/metadata_json.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

json example() {
  json object;
  add_metadata(object, example_metadata());
  return object;
}

TEST(MetadataJson, IsTheDocumentedText) {
  EXPECT_EQ(example(), json::parse(R"({
    "table": "000102030405060708090a0b0c0d0e0f",
    "as_of_seq": 7,
    "geometry": {"rows": 113, "row_bytes": 36, "rows_per_page": 113},
    "layout": {"kind": "cuckoo3",
               "seeds": ["10101010101010101010101010101010", "20202020202020202020202020202020",
                         "30303030303030303030303030303030"],
               "tag_key": "40404040404040404040404040404040",
               "value": "ethereum-account", "value_bytes": 28},
    "block_number": 19000000,
    "state_root": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"})"));
}

TEST(MetadataJson, HasNoneIsNull) {
  Metadata metadata;
  metadata.geometry = {2, 4, 1};
  json object;
  add_metadata(object, metadata);
  EXPECT_TRUE(object.at("block_number").is_null());
  EXPECT_TRUE(object.at("state_root").is_null());
  EXPECT_EQ(object.at("layout"), json::parse(R"({"kind": "index"})"));
}

RC_GTEST_PROP(MetadataJson, IsReadBackAsTheSame, ()) {
  const Metadata metadata = arbitrary_metadata();
  json object = {{"another", "member"}};
  add_metadata(object, metadata);
  const auto read = metadata_from_json(json::parse(object.dump()));
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == metadata);
}

// Every path to a value of the example.
std::vector<json::json_pointer> all_paths() {
  std::vector<json::json_pointer> paths;
  const json flat = example().flatten();
  for (const auto& item : flat.items()) paths.emplace_back(item.key());
  for (const char* const inner : {"/geometry", "/layout", "/layout/seeds"})
    paths.emplace_back(inner);
  return paths;
}

TEST(MetadataJson, EveryMemberMustBeThere) {
  for (const auto& path : all_paths()) {
    json object = example();
    auto& parent = object.at(path.parent_pointer());
    if (parent.is_array()) {
      parent.erase(0);
    } else {
      parent.erase(path.back());
    }
    EXPECT_FALSE(metadata_from_json(object)) << path;
  }
}

TEST(MetadataJson, EveryMemberMustBeOfItsType) {
  const std::vector<json> others = {nullptr,        true,           -1,  1.5, "word", json::array(),
                                    json::object(), json{{"a", 1}}, "00"};
  for (const auto& path : all_paths()) {
    const bool may_be_null = path.back() == "block_number" || path.back() == "state_root";
    for (const json& other : others) {
      json object = example();
      object.at(path) = other;
      if (may_be_null && other.is_null()) continue;
      EXPECT_FALSE(metadata_from_json(object)) << path << " " << other;
    }
  }
}

TEST(MetadataJson, RefusesUnknownMembersWhereNoneBelong) {
  json object = example();
  object["geometry"]["more"] = 1;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
  object = example();
  object["layout"]["more"] = 1;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
  object = example();
  object["layout"] = {{"kind", "index"}, {"value_bytes", 28}};
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
}

TEST(MetadataJson, NumbersBeyondTheirWidthAreRefusedNotCut) {
  json object = example();
  object["geometry"]["row_bytes"] = (std::uint64_t{1} << 32U) + 36;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
  object = example();
  object["geometry"]["rows_per_page"] = (std::uint64_t{1} << 32U) + 113;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
  object = example();
  object["layout"]["value_bytes"] = (std::uint64_t{1} << 32U) + 28;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::malformed_request);
}

TEST(MetadataJson, RefusesMetadataThatContradictsItself) {
  json object = example();
  object["layout"]["value_bytes"] = 20U;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::geometry_mismatch);
  object = example();
  object["geometry"]["rows"] = 114U;
  EXPECT_EQ(code_of(metadata_from_json(object)), ErrorCode::misaligned_size);
}

}  // namespace
}  // namespace gyre::protocol
