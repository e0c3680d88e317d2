#include "harness/snapshot/manifest.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "core/bytes.hpp"
#include "harness/crypto/sha256.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::snapshot {
namespace {

using nlohmann::json;

Manifest with_content_id(Manifest manifest) {
  manifest.content_id = content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256);
  return manifest;
}

Manifest example() {
  Manifest manifest;
  manifest.metadata = example_metadata();
  manifest.file = "example.rows";
  manifest.chunk_digests = {repeated_byte<Bytes32>(0x51)};
  manifest.sha256 = repeated_byte<Bytes32>(0x52);
  manifest.keys = 96;
  return with_content_id(std::move(manifest));
}

json example_json() {
  return json::parse(manifest_to_text(example()));
}

RC_GTEST_PROP(Manifest, IsReadBackAsTheSame, ()) {
  Manifest manifest;
  manifest.metadata = arbitrary_metadata();
  manifest.file = "a-b_c.0.rows";
  const std::uint64_t chunks = chunk_count(manifest.metadata.geometry);
  RC_PRE(chunks < 3000U);
  for (std::uint64_t i = 0; i < chunks; ++i) {
    manifest.chunk_digests.push_back(repeated_byte<Bytes32>(static_cast<unsigned>(i % 256)));
  }
  manifest.sha256 = arbitrary_bytes<Bytes32>();
  if (std::holds_alternative<Cuckoo3Layout>(manifest.metadata.layout)) {
    manifest.keys = *anywhere_in<std::uint64_t>(0, manifest.metadata.geometry.rows + 1);
  }
  manifest = with_content_id(std::move(manifest));
  const auto read = parse_manifest(manifest_to_text(manifest));
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == manifest);
}

std::vector<json::json_pointer> all_paths() {
  std::vector<json::json_pointer> paths;
  const json flat = example_json().flatten();
  for (const auto& item : flat.items()) paths.emplace_back(item.key());
  for (const char* const inner : {"/geometry", "/layout", "/layout/seeds", "/chunks"}) {
    paths.emplace_back(inner);
  }
  return paths;
}

TEST(ParseManifest, EveryMemberMustBeThereAndOfItsType) {
  ASSERT_TRUE(parse_manifest(example_json().dump()));
  const std::vector<json> others = {
      nullptr, true, -1, 0.5, 1e300, "word", json::array(), json::object(), json{{"a", 1}}};
  for (const auto& path : all_paths()) {
    json erased = example_json();
    auto& parent = erased.at(path.parent_pointer());
    if (parent.is_array()) {
      parent.erase(0);
    } else {
      parent.erase(path.back());
    }
    EXPECT_FALSE(parse_manifest(erased.dump())) << path;
    for (const json& other : others) {
      if (path.back() == "file" && other == "word") continue;  // a name like any other
      json changed = example_json();
      changed.at(path) = other;
      EXPECT_FALSE(parse_manifest(changed.dump())) << path << " " << other;
    }
  }
}

// What the content id covers cannot be changed into anything else that would itself be allowed.
TEST(ParseManifest, EveryCoveredValueIsBoundByTheContentId) {
  const std::vector<std::pair<const char*, json>> changes = {
      {"/table", "000102030405060708090a0b0c0d0e0e"},
      {"/as_of_seq", 8U},
      {"/block_number", 19'000'001U},
      {"/block_number", nullptr},
      {"/state_root", nullptr},
      {"/state_root", std::string(64, '0')},
      {"/layout", {{"kind", "index"}}},
      {"/layout/seeds/0", "10101010101010101010101010101011"},
      {"/layout/tag_key", "40404040404040404040404040404041"},
      {"/layout/value", "bytes"},
      {"/geometry/rows_per_page", 1U},
      {"/chunks/0", std::string(64, '5')},
      {"/content_id", std::string(64, '5')},
  };
  for (const auto& [path, value] : changes) {
    json changed = example_json();
    changed[json::json_pointer(path)] = value;
    if (std::string_view(path) == "/layout") changed["keys"] = nullptr;
    EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::digest_mismatch) << path;
  }
}

TEST(ParseManifest, SizesMustAgree) {
  json changed = example_json();
  changed["geometry"]["rows"] = 226U;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::geometry_mismatch);
  changed = example_json();
  changed["bytes"] = 4069U;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::geometry_mismatch);
  changed = example_json();
  changed["chunks"].push_back(std::string(64, '5'));
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::geometry_mismatch);
  changed = example_json();
  changed["chunk_bytes"] = 1'048'577U;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input);
  changed = example_json();
  changed["keys"] = 114U;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input);
}

TEST(ParseManifest, OtherFormatsAndVersionsAreRefused) {
  for (const json& version : {json(0U), json(2U), json(1.0), json("1")}) {
    json changed = example_json();
    changed["version"] = version;
    EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input) << version;
  }
  json changed = example_json();
  changed["format"] = "gyre-snapshot2";
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input);
}

TEST(ParseManifest, UnknownAndRepeatedMembersAreRefused) {
  json changed = example_json();
  changed["more"] = 1;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input);
  std::string repeated = example_json().dump();
  repeated.insert(1, "\"version\":1,");
  EXPECT_EQ(code_of(parse_manifest(repeated)), ErrorCode::malformed_input);
}

TEST(ParseManifest, TheFileCannotLeaveItsDirectory) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"),
        std::string("/etc/x"), std::string("a/b"), std::string("a\\b"), std::string(".hidden"),
        std::string("-x"), std::string("a b"), std::string("a\0b", 3), std::string("\xC3\xA4"),
        std::string(201, 'a')}) {
    json changed = example_json();
    changed["file"] = name;
    EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::malformed_input) << name;
  }
  json changed = example_json();
  changed["file"] = std::string(200, 'a');
  EXPECT_TRUE(parse_manifest(changed.dump()));
}

TEST(ParseManifest, NeverRepeatsWhatItRead) {
  for (const std::string_view text : {"SECRET", "{\"SECRET\": 1}", "{\"format\": \"SECRET\"}"}) {
    const auto read = parse_manifest(text);
    ASSERT_EQ(code_of(read), ErrorCode::malformed_input);
    EXPECT_EQ(read.error().message.find("SECRET"), std::string::npos);
  }
}

// Text with one byte changed is refused or says the same; it never says something else that is
// covered.
RC_GTEST_PROP(ParseManifest, AChangedByteChangesNothingThatIsCovered, ()) {
  const Manifest original = example();
  std::string text = manifest_to_text(original);
  const auto at = *anywhere_in<std::size_t>(0, text.size());
  text[at] = *rc::gen::arbitrary<char>();
  const auto read = parse_manifest(text);
  if (read) {
    RC_ASSERT(read->metadata == original.metadata);
    RC_ASSERT(read->chunk_digests == original.chunk_digests);
    RC_ASSERT(read->content_id == original.content_id);
  }
}

TEST(ParseManifest, ADeclaredSizeAllocatesNothing) {
  json changed = example_json();
  changed["geometry"] = {{"rows", 113ULL << 33U}, {"row_bytes", 36U}, {"rows_per_page", 113U}};
  changed["bytes"] = (113ULL << 33U) * 36;
  EXPECT_EQ(code_of(parse_manifest(changed.dump())), ErrorCode::geometry_mismatch);
}

}  // namespace
}  // namespace gyre::snapshot
