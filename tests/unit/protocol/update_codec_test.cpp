#include "harness/protocol/update_codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"

namespace gyre::protocol {
namespace {

constexpr Encoding encodings[] = {Encoding::json, Encoding::binary};

Bytes16 table_id(std::uint8_t last) {
  Bytes16 id{};
  id.back() = std::byte{last};
  return id;
}

const KnownTables knows_nothing;

TableUpdate part(std::uint8_t table, std::vector<std::uint64_t> rows, std::uint32_t row_bytes) {
  TableUpdate update{table_id(table), std::move(rows), {}};
  for (std::size_t i = 0; i < update.rows.size() * row_bytes; ++i) {
    update.data.push_back(static_cast<std::byte>(i + table));
  }
  return update;
}

UpdateBatch small_batch() {
  return {7, {part(1, {0, 5, 1'000'000}, 4), part(2, {3}, 12)}};
}
const KnownTables knows_small = {{table_id(1), 4}, {table_id(2), 12}};

Result<UpdateBatch> decode_json(std::string_view body, const UpdateLimits& limits = {}) {
  return decode_update_batch(body, Encoding::json, limits, knows_nothing);
}
Result<UpdateBatch> decode_binary(std::string_view body, const KnownTables& known = knows_small,
                                  const UpdateLimits& limits = {}) {
  return decode_update_batch(body, Encoding::binary, limits, known);
}

const std::string id_one = "00000000000000000000000000000001";
const std::string id_two = "00000000000000000000000000000002";

// {"seq": 7, "tables": {id_one: [ROWS]}}
std::string json_of(const std::string& rows) {
  return R"({"seq":7,"tables":{")" + id_one + R"(":[)" + rows + "]}}";
}

rc::Gen<UpdateBatch> batches() {
  return rc::gen::exec([] {
    UpdateBatch batch;
    batch.seq = *rc::gen::arbitrary<std::uint64_t>();
    const auto ids = *rc::gen::nonEmpty(rc::gen::arbitrary<std::set<std::uint8_t>>());
    for (const std::uint8_t id : ids) {
      if (batch.tables.size() == 16) break;
      auto rows = *rc::gen::nonEmpty(rc::gen::arbitrary<std::set<std::uint64_t>>());
      const auto row_bytes = 4 * *anywhere_in<std::uint32_t>(1, 20);
      batch.tables.push_back(part(id, {rows.begin(), rows.end()}, row_bytes));
    }
    return batch;
  });
}

KnownTables knows_all_of(const UpdateBatch& batch) {
  KnownTables tables;
  for (const TableUpdate& one : batch.tables) {
    tables[one.table] = static_cast<std::uint32_t>(one.data.size() / one.rows.size());
  }
  return tables;
}

TEST(UpdateCodec, TheFormsAreTheDocumentedOnes) {
  const UpdateBatch batch{258, {{table_id(1), {9}, {std::byte{1}, std::byte{2}, {}, {}}}}};
  EXPECT_EQ(
      encode(batch, Encoding::json),
      R"({"seq":258,"tables":{"00000000000000000000000000000001":[{"row":9,"data":"AQIAAA=="}]}})");
  const std::string binary = encode(batch, Encoding::binary);
  EXPECT_EQ(to_hex(as_bytes(binary)),
            "47595531"                          // GYU1
            "0201000000000000"                  // seq
            "01000000"                          // tables
            "00000000000000000000000000000001"  // id
            "01000000"                          // rows
            "0900000000000000"                  // row
            "01020000");
}

RC_GTEST_PROP(UpdateCodec, WhatIsEncodedDecodesToItself, ()) {
  const UpdateBatch batch = *batches();
  for (const Encoding encoding : encodings) {
    const auto decoded =
        decode_update_batch(encode(batch, encoding), encoding, {}, knows_all_of(batch));
    RC_ASSERT(decoded);
    RC_ASSERT(*decoded == batch);
  }
}

RC_GTEST_PROP(UpdateCodec, OneUnknownTableIsReadAllTheSame, ()) {
  UpdateBatch batch = *batches();
  const std::size_t unknown = *anywhere_in<std::size_t>(0, batch.tables.size());
  KnownTables known = knows_all_of(batch);
  known.erase(batch.tables[unknown].table);
  const auto decoded = decode_binary(encode(batch, Encoding::binary), known);
  // Where that table's rows end is not written; other lengths may come out even by chance.
  if (decoded) {
    RC_ASSERT(*decoded == batch);
  } else {
    RC_ASSERT(decoded.error().code == ErrorCode::malformed_request);
    RC_ASSERT(unknown + 1 != batch.tables.size());
  }
}

RC_GTEST_PROP(UpdateCodec, EveryTruncationIsRefused, ()) {
  const UpdateBatch batch = *batches();
  for (const Encoding encoding : encodings) {
    const std::string whole = encode(batch, encoding);
    const std::size_t kept = *anywhere_in<std::size_t>(0, whole.size());
    const auto decoded = decode_update_batch(std::string_view(whole).substr(0, kept), encoding, {},
                                             knows_all_of(batch));
    RC_ASSERT(code_of(decoded) == ErrorCode::malformed_request);
  }
}

RC_GTEST_PROP(UpdateCodec, NothingMayFollow, ()) {
  const UpdateBatch batch = *batches();
  const auto more = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
  const auto decoded = decode_binary(encode(batch, Encoding::binary) + more, knows_all_of(batch));
  RC_ASSERT(code_of(decoded) == ErrorCode::malformed_request);
  RC_ASSERT(code_of(decode_json(encode(batch, Encoding::json) + "{}")) ==
            ErrorCode::malformed_request);
}

RC_GTEST_PROP(UpdateCodec, AnyBytesAreABatchOrAnError, (const std::string& noise)) {
  for (const std::string& body : {noise, "GYU1" + noise}) {
    const auto decoded = decode_binary(body, knows_nothing);
    if (decoded) RC_ASSERT(encode(*decoded, Encoding::binary) == body);
  }
  RC_ASSERT(code_of(decode_json(noise)) == ErrorCode::malformed_request);
}

TEST(UpdateCodec, JsonMembersComeInAnyOrder) {
  const auto decoded = decode_json(
      " { \"tables\" : {\"" + id_two + "\" : [ {\"data\":\"AgMEBQYHCAkKCwwN\", \"row\":3} ],\"" +
      id_one + "\":[{\"data\":\"AQIDBA==\",\"row\":0},{\"row\":5,\"data\":\"BQYHCA==\"}," +
      "{\"row\":1000000,\"data\":\"CQoLDA==\"}]}, \"seq\":7}");
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, small_batch());
}

TEST(UpdateCodec, JsonIsReadStrictly) {
  const std::string row = R"({"row":1,"data":"AAAAAA=="})";
  ASSERT_TRUE(decode_json(json_of(row)));
  const std::string tables = R"("tables":{")" + id_one + R"(":[)" + row + "]}";
  for (const std::string& body : std::vector<std::string>{
           std::string(""),
           std::string("{}"),
           std::string("[]"),
           std::string("7"),
           "{" + tables + "}",
           std::string(R"({"seq":7})"),
           std::string(R"({"seq":7,"tables":{}})"),
           json_of(""),
           R"({"seq":7,"seq":7,)" + tables + "}",
           R"({"seq":7,)" + tables + "," + tables + "}",
           R"({"seq":7,)" + tables + R"(,"more":1})",
           R"({"seq":-1,)" + tables + "}",
           R"({"seq":7.0,)" + tables + "}",
           R"({"seq":7e0,)" + tables + "}",
           R"({"seq":18446744073709551616,)" + tables + "}",
           R"({"seq":"7",)" + tables + "}",
           R"({"seq":null,)" + tables + "}",
           R"({"seq":[7],)" + tables + "}",
           R"({"seq":{},)" + tables + "}",
           R"({"seq":7,"tables":[]})",
           R"({"seq":7,"tables":{")" + id_one + R"(":{}}})",
           R"({"seq":7,"tables":{")" + id_one + R"(":[[]]}})",
           R"({"seq":7,"tables":{")" + id_one + R"(":[1]}})",
           R"({"seq":7,"tables":{")" + id_one.substr(1) + R"(":[)" + row + "]}}",
           R"({"seq":7,"tables":{"0000000000000000000000000000000A":[)" + row + "]}}",
           R"({"seq":7,"tables":{")" + id_one + R"(":[)" + row + R"(],")" + id_one + R"(":[)" +
               row + "]}}",
           json_of(R"({"row":1})"),
           json_of(R"({"data":"AAAAAA=="})"),
           json_of(R"({"row":1,"row":1,"data":"AAAAAA=="})"),
           json_of(R"({"row":1,"data":"AAAAAA==","data":"AAAAAA=="})"),
           json_of(R"({"row":1,"data":"AAAAAA==","more":0})"),
           json_of(R"({"row":"1","data":"AAAAAA=="})"),
           json_of(R"({"row":1,"data":1})"),
           json_of(R"({"row":1,"data":""})"),
           json_of(R"({"row":1,"data":"AAAA"})"),      // 3 bytes
           json_of(R"({"row":1,"data":"AAAAAA"})"),    // no padding
           json_of(R"({"row":1,"data":"AAAAAB=="})"),  // unused bits
           json_of(R"({"row":1,"data":"AAAA\nAA=="})"),
           json_of(row + "," + row),
           json_of(R"({"row":2,"data":"AAAAAA=="},)" + row),
           json_of(row + R"(,{"row":2,"data":"AAAAAAAAAAA="})"),
           json_of(row) + " x",
       }) {
    EXPECT_EQ(code_of(decode_json(body)), ErrorCode::malformed_request) << body;
  }
}

TEST(UpdateCodec, RowsHaveAtMost65536Bytes) {
  const auto of_bytes = [](std::size_t bytes) {
    return json_of(R"({"row":1,"data":")" + to_base64(std::vector<std::byte>(bytes)) + "\"}");
  };
  EXPECT_TRUE(decode_json(of_bytes(65'536)));
  EXPECT_EQ(code_of(decode_json(of_bytes(65'540))), ErrorCode::malformed_request);
}

TEST(UpdateCodec, ErrorsDoNotQuote) {
  const auto decoded = decode_json(R"({"seq":7,"secret":1})");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message.find("secret"), std::string::npos);
}

TEST(UpdateCodec, LimitsAreKept) {
  for (const Encoding encoding : encodings) {
    const std::string body = encode(small_batch(), encoding);
    const auto decode = [&](const UpdateLimits& limits) {
      return code_of(decode_update_batch(body, encoding, limits, knows_small));
    };
    EXPECT_EQ(decode({2, 4, body.size()}), std::nullopt);
    EXPECT_EQ(decode({1, 4, body.size()}), ErrorCode::request_too_large);
    EXPECT_EQ(decode({2, 3, body.size()}), ErrorCode::request_too_large);
    EXPECT_EQ(decode({2, 4, body.size() - 1}), ErrorCode::request_too_large);
  }
}

TEST(UpdateCodec, BinaryIsReadStrictly) {
  const std::string good = encode(small_batch(), Encoding::binary);
  ASSERT_TRUE(decode_binary(good));
  const auto with = [&](std::size_t at, char value) {
    std::string bad = good;
    bad[at] = value;
    return bad;
  };
  constexpr std::size_t first_table = 16;
  constexpr std::size_t second_table = first_table + 16 + 4 + 3 * 12;
  for (const std::string& body : {
           with(0, 'g'), with(3, '2'), with(12, 0),  // no tables
           with(12, 1),                              // bytes after the only table
           with(12, 3),                              // a table that is not there
           with(first_table + 16, 0),                // no rows
           with(first_table + 16, 4),                // one more than there are
           with(first_table + 19, '\x7f'),           // two thousand million more
           with(first_table + 20, 9),                // rows do not increase
           with(second_table + 15, 1),               // the same table again
           with(first_table + 15, 2),                // likewise
       }) {
    EXPECT_EQ(code_of(decode_binary(body)), ErrorCode::malformed_request);
  }
}

TEST(UpdateCodec, TablesOfTheBinaryFormAreInOrder) {
  const UpdateBatch reversed{7, {part(2, {3}, 12), part(1, {0}, 4)}};
  const std::vector<std::byte> bytes = binary_form(reversed);
  EXPECT_EQ(code_of(decode_binary({reinterpret_cast<const char*>(bytes.data()), bytes.size()})),
            ErrorCode::malformed_request);
}

TEST(UpdateCodec, UnknownTablesShareTheOneLengthThatFits) {
  // Two rows and one: 3 · 12 bytes besides the heads, which no other length gives.
  const UpdateBatch batch{1, {part(1, {4, 8}, 12), part(2, {6}, 12)}};
  EXPECT_EQ(decode_binary(encode(batch, Encoding::binary), knows_nothing).value(), batch);
  EXPECT_EQ(decode_binary(encode(batch, Encoding::binary), KnownTables{{table_id(2), 12}}).value(),
            batch);
}

TEST(UpdateCodec, UnknownTablesOfDifferentLengthsNeedJson) {
  const UpdateBatch batch{1, {part(1, {4, 8}, 12), part(2, {6}, 16)}};
  const auto decoded = decode_binary(encode(batch, Encoding::binary), knows_nothing);
  ASSERT_EQ(code_of(decoded), ErrorCode::malformed_request);
  EXPECT_NE(decoded.error().message.find("JSON"), std::string::npos);
  EXPECT_EQ(decode_json(encode(batch, Encoding::json)).value(), batch);
}

TEST(UpdateCodec, AnAmbiguousLengthIsRefused) {
  const UpdateBatch batch{1, {part(1, {4}, 4), part(2, {6, 7, 8, 9, 10}, 4)}};
  std::string body = encode(batch, Encoding::binary);
  ASSERT_EQ(body.size(), 128U);
  ASSERT_TRUE(decode_binary(body, knows_nothing));
  // With rows of 28 bytes the first row, which begins at 36, ends at 72; a head there for a table
  // of one row makes the body end at 128 too.
  body.replace(72, 16, std::string(16, '\x7f'));    // an id above the first
  body.replace(88, 4, std::string("\1\0\0\0", 4));  // one row
  const auto ambiguous = decode_binary(body, knows_nothing);
  ASSERT_EQ(code_of(ambiguous), ErrorCode::malformed_request);
  EXPECT_NE(ambiguous.error().message.find("JSON"), std::string::npos);
  EXPECT_TRUE(decode_binary(body, KnownTables{{table_id(1), 28}}));
}

TEST(UpdateCodec, RepliesDecodeToThemselves) {
  const UpdateReply reply{9, {Bytes8{std::byte{0xab}}, 9, Bytes8{std::byte{1}}}, 1000, true};
  EXPECT_EQ(decode_update_reply(encode_update_reply(reply)).value(), reply);
  EXPECT_EQ(encode_update_reply(reply),
            R"({"seq":9,"epoch":"ab00000000000000-9-0100000000000000","rows":1000,"resent":true})");
}

TEST(UpdateCodec, OtherRepliesAreRefused) {
  const std::string epoch = R"("epoch":"ab00000000000000-9-0100000000000000")";
  for (const std::string& body :
       std::vector<std::string>{std::string(), std::string("{}"), std::string("[]"),
                                R"({"seq":9,)" + epoch + R"(,"rows":1})",
                                R"({"seq":9,)" + epoch + R"(,"rows":1,"resent":1})",
                                R"({"seq":9,)" + epoch + R"(,"rows":-1,"resent":true})",
                                R"({"seq":9,"epoch":"x","rows":1,"resent":true})",
                                R"({"seq":9,)" + epoch + R"(,"rows":1,"resent":true,"more":0})"}) {
    EXPECT_EQ(code_of(decode_update_reply(body)), ErrorCode::bad_answer) << body;
  }
}

}  // namespace
}  // namespace gyre::protocol
