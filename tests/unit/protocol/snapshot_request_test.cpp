#include "harness/protocol/snapshot_request.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "core/bytes.hpp"
#include "harness/protocol/metadata_json.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

constexpr const char* example_url = "https://origin.example/table.rows";

json raw_example() {
  json object = {{"url", example_url}, {"sha256", to_hex(counting_bytes<Bytes32>())}};
  add_metadata(object, example_metadata());
  return object;
}

TEST(SnapshotRequest, ARawRequestStatesEverything) {
  json object = raw_example();
  object["discard_updates"] = true;
  const auto request = decode_snapshot_request(object.dump());
  ASSERT_TRUE(request) << request.error().message;
  const auto& raw = std::get<RawSnapshot>(request->snapshot);
  EXPECT_EQ(raw.url, example_url);
  EXPECT_EQ(raw.sha256, counting_bytes<Bytes32>());
  EXPECT_EQ(raw.metadata, example_metadata());
  EXPECT_TRUE(request->discard_updates);
}

TEST(SnapshotRequest, UpdatesAreKeptUnlessItSaysOtherwise) {
  const auto request = decode_snapshot_request(raw_example().dump());
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->discard_updates);
}

TEST(SnapshotRequest, TheAliasOfUrlMeansTheSame) {
  json object = raw_example();
  object["r2_url"] = object["url"];
  object.erase("url");
  EXPECT_EQ(decode_snapshot_request(object.dump()).value(),
            decode_snapshot_request(raw_example().dump()).value());
}

TEST(SnapshotRequest, ARawRequestThatLeavesAFieldUnsaidIsRefused) {
  for (const char* member :
       {"sha256", "table", "geometry", "layout", "as_of_seq", "block_number", "state_root"}) {
    json object = raw_example();
    object.erase(member);
    const auto request = decode_snapshot_request(object.dump());
    EXPECT_EQ(code_of(request), ErrorCode::malformed_request) << member;
    EXPECT_NE(request.error().message.find(member), std::string::npos);
  }
}

TEST(SnapshotRequest, NullSaysHasNoneWhereThatCanBe) {
  json object = raw_example();
  object["block_number"] = nullptr;
  object["state_root"] = nullptr;
  const auto request = decode_snapshot_request(object.dump());
  ASSERT_TRUE(request) << request.error().message;
  const Metadata& metadata = std::get<RawSnapshot>(request->snapshot).metadata;
  EXPECT_EQ(metadata.block_number, std::nullopt);
  EXPECT_EQ(metadata.state_root, std::nullopt);
  for (const char* member : {"url", "sha256", "table", "geometry", "layout", "as_of_seq"}) {
    json other = raw_example();
    other[member] = nullptr;
    EXPECT_EQ(code_of(decode_snapshot_request(other.dump())), ErrorCode::malformed_request)
        << member;
  }
}

TEST(SnapshotRequest, ARequestWithAManifestSaysNothingElse) {
  const json object = {{"manifest_url", "https://origin.example/table.manifest.json"}};
  const auto request = decode_snapshot_request(object.dump());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(std::get<ManifestSnapshot>(request->snapshot).manifest_url, object["manifest_url"]);
  const json raw = raw_example();
  for (const auto& [member, value] : raw.items()) {
    json other = object;
    other[member] = value;
    EXPECT_EQ(code_of(decode_snapshot_request(other.dump())), ErrorCode::malformed_request)
        << member;
  }
}

TEST(SnapshotRequest, UnknownAndDoubledMembersAreRefused) {
  json object = raw_example();
  object["discard_update"] = true;
  EXPECT_EQ(code_of(decode_snapshot_request(object.dump())), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(decode_snapshot_request(
                R"({"manifest_url": "http://a/b", "manifest_url": "http://a/c"})")),
            ErrorCode::malformed_request);
  json both = raw_example();
  both["r2_url"] = both["url"];
  EXPECT_EQ(code_of(decode_snapshot_request(both.dump())), ErrorCode::malformed_request);
}

TEST(SnapshotRequest, AnAddressThatCannotBeOneIsUnsupported) {
  for (const std::string& url : {std::string(), std::string("https://a/b c"), std::string("\n"),
                                 std::string(max_url_bytes + 1, 'a')}) {
    json object = raw_example();
    object["url"] = url;
    EXPECT_EQ(code_of(decode_snapshot_request(object.dump())), ErrorCode::unsupported_url);
    EXPECT_EQ(code_of(decode_snapshot_request(json{{"manifest_url", url}}.dump())),
              ErrorCode::unsupported_url);
  }
}

TEST(SnapshotRequest, MetadataThatContradictsItselfIsRefused) {
  const auto changed = [](const char* member, std::uint64_t value) {
    json object = raw_example();
    object["geometry"][member] = value;
    return code_of(decode_snapshot_request(object.dump()));
  };
  EXPECT_EQ(changed("rows", 0), ErrorCode::empty_snapshot);
  EXPECT_EQ(changed("rows", 114), ErrorCode::misaligned_size);
  EXPECT_EQ(changed("row_bytes", 40), ErrorCode::geometry_mismatch);
  EXPECT_EQ(changed("rows_per_page", 0), ErrorCode::geometry_mismatch);
}

TEST(SnapshotRequest, WhatIsNoRequestIsRefused) {
  for (const char* text : {"", "{}", "[]", "null", "3", "{\"url\": 3}", "{\"manifest_url\": []}",
                           R"({"manifest_url": "http://a/b", "discard_updates": 1})"}) {
    EXPECT_EQ(code_of(decode_snapshot_request(text)), ErrorCode::malformed_request) << text;
  }
  EXPECT_EQ(code_of(decode_snapshot_request(std::string(max_admin_request_bytes + 1, ' '))),
            ErrorCode::request_too_large);
}

RC_GTEST_PROP(SnapshotRequest, IsReadAsItWasWritten, ()) {
  SnapshotRequest request;
  request.discard_updates = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) {
    request.snapshot = RawSnapshot{example_url, arbitrary_bytes<Bytes32>(), arbitrary_metadata()};
  } else {
    request.snapshot = ManifestSnapshot{example_url};
  }
  const auto read = decode_snapshot_request(encode_snapshot_request(request));
  RC_ASSERT(read);
  RC_ASSERT(*read == request);
}

TEST(RollbackRequest, NamesAnEpoch) {
  RollbackRequest request{EpochId::of_base(counting_bytes<Bytes32>(), 7), true};
  EXPECT_EQ(decode_rollback_request(encode_rollback_request(request)).value(), request);
  request.discard_updates = false;
  EXPECT_EQ(decode_rollback_request(json{{"epoch", request.epoch.text()}}.dump()).value(), request);
}

TEST(RollbackRequest, AnythingElseIsRefused) {
  const std::string id = EpochId::of_base(counting_bytes<Bytes32>(), 7).text();
  for (const json& object :
       {json::object(), json{{"epoch", "current"}}, json{{"epoch", id}, {"more", 1}},
        json{{"epoch", id}, {"discard_updates", "yes"}}, json{{"epoch", nullptr}}, json(1)}) {
    EXPECT_EQ(code_of(decode_rollback_request(object.dump())), ErrorCode::malformed_request);
  }
}

}  // namespace
}  // namespace gyre::protocol
