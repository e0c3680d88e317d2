#include "harness/protocol/epoch_document.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/code_of.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

EpochEntry indexed_entry() {
  EpochEntry entry;
  entry.base.fill(std::byte{0x5a});
  entry.id = {Bytes8{}, 12, Bytes8{std::byte{9}}};
  entry.id.base.fill(std::byte{0x5a});
  entry.generation = "00ff:3";
  entry.published_at = "2026-11-23T07:31:18.042Z";
  entry.metadata.geometry = Geometry{256, 32, 128};
  entry.metadata.as_of_seq = 10;
  entry.resident = {"cpu", "reference"};
  return entry;
}

EpochEntry keyed_entry() {
  EpochEntry entry = indexed_entry();
  Cuckoo3Layout layout;
  layout.seeds[1].fill(std::byte{1});
  layout.value = ValueKind::ethereum_account;
  layout.value_bytes = ethereum_account_value_bytes;
  entry.metadata.layout = layout;
  entry.metadata.geometry = Geometry{226, 36, 113};
  entry.metadata.block_number = 0;
  entry.metadata.state_root = Bytes32{std::byte{0xd7}};
  entry.id.seq = 10;
  return entry;
}

EpochDocument some_document() {
  return {1, "00ff", keyed_entry(), {indexed_entry()}};
}

TEST(EpochDocument, SurvivesTheJourney) {
  const auto decoded = decode_epoch_document(encode_epoch_document(some_document()));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, some_document());
}

TEST(EpochDocument, HasTheDocumentedMembers) {
  const json document = json::parse(encode_epoch_document(some_document()));
  EXPECT_EQ(document["party"], 1);
  EXPECT_EQ(document["boot"], "00ff");
  ASSERT_EQ(document["retained"].size(), 1U);
  const json& current = document["current"];
  EXPECT_EQ(current["id"], "5a5a5a5a5a5a5a5a-10-0900000000000000");
  EXPECT_EQ(current["generation"], "00ff:3");
  EXPECT_EQ(current["published_at"], "2026-11-23T07:31:18.042Z");
  EXPECT_EQ(current["base"].get<std::string>().size(), 64U);
  EXPECT_EQ(current["seq"], 10);
  EXPECT_EQ(current["as_of_seq"], 10);
  EXPECT_EQ(current["block_number"], 0);
  EXPECT_EQ(current["layout"]["kind"], "cuckoo3");
  EXPECT_EQ(current["resident"], json::array({"cpu", "reference"}));
  EXPECT_EQ(document["retained"][0]["state_root"], nullptr);
  EXPECT_EQ(document["retained"][0]["layout"], json({{"kind", "index"}}));
}

TEST(EpochDocument, IdentityLeavesOutWhatIsLocalToAServer) {
  EpochEntry other = keyed_entry();
  other.generation = "ee:99";
  other.published_at = "2030-01-01T00:00:00.000Z";
  other.resident = {"gpu"};
  EXPECT_EQ(identity_text(other), identity_text(keyed_entry()));
}

TEST(EpochDocument, IdentityShowsEveryOtherDifference) {
  const std::vector<std::function<void(EpochEntry&)>> changes = {
      [](EpochEntry& e) { e.id.base[7] = std::byte{0}; },
      [](EpochEntry& e) { e.id.seq = 11; },
      [](EpochEntry& e) { e.id.chain[7] = std::byte{1}; },
      [](EpochEntry& e) { e.base[31] = std::byte{0}; },
      [](EpochEntry& e) { e.metadata.table[3] = std::byte{1}; },
      [](EpochEntry& e) { e.metadata.as_of_seq = 9; },
      [](EpochEntry& e) { e.metadata.geometry.rows *= 2; },
      [](EpochEntry& e) { e.metadata.geometry.row_bytes += 4; },
      [](EpochEntry& e) { e.metadata.geometry.rows_per_page = 2; },
      [](EpochEntry& e) { std::get<Cuckoo3Layout>(e.metadata.layout).seeds[2][0] = std::byte{1}; },
      [](EpochEntry& e) { std::get<Cuckoo3Layout>(e.metadata.layout).tag_key[0] = std::byte{1}; },
      [](EpochEntry& e) { std::get<Cuckoo3Layout>(e.metadata.layout).value = ValueKind::bytes; },
      [](EpochEntry& e) { std::get<Cuckoo3Layout>(e.metadata.layout).value_bytes = 8; },
      [](EpochEntry& e) { e.metadata.layout = IndexLayout{}; },
      [](EpochEntry& e) { e.metadata.block_number = 1; },
      [](EpochEntry& e) { e.metadata.block_number.reset(); },
      [](EpochEntry& e) { e.metadata.state_root.reset(); },
  };
  const std::string before = identity_text(keyed_entry());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EpochEntry changed = keyed_entry();
    changes[i](changed);
    EXPECT_NE(identity_text(changed), before) << "change " << i;
  }
}

TEST(EpochDocument, IdentityIsCanonical) {
  EXPECT_EQ(
      identity_text(indexed_entry()),
      R"({"as_of_seq":10,"base":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",)"
      R"("block_number":null,"geometry":{"row_bytes":32,"rows":256,"rows_per_page":128},)"
      R"("id":"5a5a5a5a5a5a5a5a-12-0900000000000000","layout":{"kind":"index"},"seq":12,)"
      R"("state_root":null,"table":"00000000000000000000000000000000"})");
}

TEST(EpochDocument, AHostileServersDocumentIsRefused) {
  const json good = json::parse(encode_epoch_document(some_document()));
  const std::vector<std::function<void(json&)>> damages = {
      [](json& d) { d = json::array(); },
      [](json& d) { d.erase("party"); },
      [](json& d) { d["party"] = 2; },
      [](json& d) { d["party"] = "1"; },
      [](json& d) { d["boot"] = std::string(65, 'a'); },
      [](json& d) { d["boot"] = "\x1b[2J"; },
      [](json& d) { d["more"] = 1; },
      [](json& d) { d["retained"] = nullptr; },
      [](json& d) { d["retained"] = json::array({1}); },
      [](json& d) { d["current"] = nullptr; },
      [](json& d) { d["current"].erase("resident"); },
      [](json& d) { d["current"]["resident"] = json::array({1}); },
      [](json& d) { d["current"]["resident"] = json::array({std::string(1000, 'a')}); },
      [](json& d) { d["current"]["more"] = 1; },
      [](json& d) { d["current"]["id"] = "5a5a5a5a5a5a5a5a-10-09"; },
      [](json& d) { d["current"]["id"] = "aaaaaaaaaaaaaaaa-10-0900000000000000"; },
      [](json& d) { d["current"]["seq"] = 11; },
      [](json& d) { d["current"]["as_of_seq"] = 11; },
      [](json& d) { d["current"]["generation"] = "no count"; },
      [](json& d) { d["current"]["published_at"] = std::string(100, '9'); },
      [](json& d) { d["current"]["base"] = "5A"; },
      [](json& d) { d["current"]["geometry"]["rows"] = 0; },
      [](json& d) { d["current"]["geometry"]["row_bytes"] = 35; },
      [](json& d) { d["current"]["geometry"]["rows"] = 1.5; },
      [](json& d) { d["current"]["layout"]["kind"] = "cuckoo4"; },
      [](json& d) { d["current"]["layout"]["value_bytes"] = 60'000; },
      [](json& d) { d["current"]["block_number"] = -1; },
      [](json& d) { d["current"]["state_root"] = "00"; },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    json damaged = good;
    damages[i](damaged);
    EXPECT_EQ(code_of(decode_epoch_document(damaged.dump())), ErrorCode::bad_answer)
        << "damage " << i;
  }
  const std::string text = good.dump();
  for (std::size_t length = 0; length < text.size(); length += 7) {
    EXPECT_EQ(code_of(decode_epoch_document(text.substr(0, length))), ErrorCode::bad_answer);
  }
  EXPECT_EQ(code_of(decode_epoch_document(text + std::string(max_epoch_document_bytes, ' '))),
            ErrorCode::bad_answer);
}

// A server may retain as many epochs as a client reads, however long the numbers in them.
TEST(EpochDocument, TheLongestListThatCanBeRetainedIsRead) {
  constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
  EpochEntry entry = keyed_entry();
  entry.metadata.as_of_seq = largest;
  entry.metadata.block_number = largest;
  entry.metadata.geometry = {Geometry::max_table_bytes / Geometry::max_page_bytes * 256,
                             Geometry::max_row_bytes, 256};
  Cuckoo3Layout layout;
  layout.value_bytes = Geometry::max_row_bytes - tag_bytes;
  entry.metadata.layout = layout;
  entry.id.seq = largest;
  entry.generation = "0123456789abcdef:" + std::to_string(largest);
  entry.resident = {"device:cuda0", "cpu"};
  const EpochDocument document{0, "0123456789abcdef", entry,
                               std::vector<EpochEntry>(max_retained_entries, entry)};
  const auto decoded = decode_epoch_document(encode_epoch_document(document));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, document);
}

TEST(EpochDocument, NumberOfRetainedEpochsIsBounded) {
  json document = json::parse(encode_epoch_document(some_document()));
  const json entry = document["retained"][0];
  document["retained"] = json(max_retained_entries + 1, entry);
  EXPECT_EQ(code_of(decode_epoch_document(document.dump())), ErrorCode::bad_answer);
}

}  // namespace
}  // namespace gyre::protocol
