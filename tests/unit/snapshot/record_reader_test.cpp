#include "harness/snapshot/record_reader.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "harness/table/account.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::snapshot {
namespace {

using nlohmann::json;
using table::Uint128;

constexpr RecordSyntax text_csv{};
constexpr RecordSyntax account_csv{.value = ValueKind::ethereum_account};
constexpr RecordSyntax text_json{.format = InputFormat::json_lines};
constexpr RecordSyntax account_json{.format = InputFormat::json_lines,
                                    .value = ValueKind::ethereum_account};
const std::string address = "0x000d836201318ec6899a67540690382780743280";

struct Read {
  std::vector<Record> records;
  bool skipped_header = false;
};

Result<Read> read_all(std::string_view input, const RecordSyntax& syntax) {
  const TestDirectory directory;
  auto file = File::open(directory.write("input", input), "the input file");
  if (!file) return forward_error(file);
  RecordReader reader(std::move(*file), syntax);
  Read read;
  for (;;) {
    Record record;
    auto more = reader.next(record);
    if (!more) return forward_error(more);
    if (!*more) break;
    read.records.push_back(std::move(record));
  }
  read.skipped_header = reader.skipped_header();
  EXPECT_EQ(reader.bytes_read(), input.size());
  return read;
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_of(const Result<Read>& read) {
  Pairs pairs;
  if (!read) {
    ADD_FAILURE() << read.error().message;
    return pairs;
  }
  for (const Record& record : read->records) {
    pairs.emplace_back(text_of(record.key), text_of(record.value));
  }
  return pairs;
}

table::EthereumAccount account_of(const Record& record) {
  return table::decode_account(table::ConstEthereumAccountValue(record.value));
}

TEST(CsvRecords, AreReadWithAndWithoutQuotes) {
  EXPECT_EQ(pairs_of(read_all("a,1\n\"b\",\"2\"\nc,\n", text_csv)),
            (Pairs{{"a", "1"}, {"b", "2"}, {"c", ""}}));
  EXPECT_EQ(pairs_of(read_all("\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\r\nlines\",z", text_csv)),
            (Pairs{{"x,y", "say \"hi\""}, {"two\r\nlines", "z"}}));
}

TEST(CsvRecords, EmptyLinesAndAByteOrderMarkAreNoRecords) {
  EXPECT_EQ(pairs_of(read_all("\xEF\xBB\xBF"
                              "a,1\n\n\r\nb,2\n\n",
                              text_csv)),
            (Pairs{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(pairs_of(read_all("", text_csv)), Pairs{});
  EXPECT_EQ(pairs_of(read_all("\n\n", text_csv)), Pairs{});
}

TEST(KeysAlone, AreRecordsOfOneField) {
  constexpr RecordSyntax csv{.keys_only = true};
  EXPECT_EQ(pairs_of(read_all("a\n\"b,c\"\n", csv)), (Pairs{{"a", ""}, {"b,c", ""}}));
  EXPECT_EQ(pairs_of(read_all("Key\na\n", csv)), (Pairs{{"a", ""}}));
  EXPECT_EQ(code_of(read_all("a,1\n", csv)), ErrorCode::malformed_input);
  constexpr RecordSyntax json_lines{.format = InputFormat::json_lines, .keys_only = true};
  EXPECT_EQ(pairs_of(read_all("{\"key\":\"a\"}\n", json_lines)), (Pairs{{"a", ""}}));
  EXPECT_EQ(code_of(read_all("{\"key\":\"a\",\"value\":\"1\"}\n", json_lines)),
            ErrorCode::malformed_input);
  constexpr RecordSyntax accounts{.value = ValueKind::ethereum_account, .keys_only = true};
  const auto read = read_all("address\n" + address + "\n", accounts);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->skipped_header);
  ASSERT_EQ(read->records.size(), 1U);
  EXPECT_EQ(read->records[0].key.size(), 20U);
  EXPECT_EQ(code_of(read_all(address + ",1\n", accounts)), ErrorCode::malformed_input);
}

TEST(CsvRecords, KnowTheLineWhereTheyBegin) {
  const auto read = read_all("a,1\n\n\"b\nb\",2\nc,3\n", text_csv);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->records.size(), 3U);
  EXPECT_EQ(read->records[0].line, 1U);
  EXPECT_EQ(read->records[1].line, 3U);
  EXPECT_EQ(read->records[2].line, 5U);
}

RC_GTEST_PROP(CsvRecords, AnyBytesInQuotesAreReadBack, ()) {
  const auto pairs = *rc::gen::container<Pairs>(
      rc::gen::pair(rc::gen::nonEmpty<std::string>(), rc::gen::arbitrary<std::string>()));
  const auto quoted = [](const std::string& text) {
    std::string field = "\"";
    for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
    return field + "\"";
  };
  const std::string end = *rc::gen::element<std::string>("\n", "\r\n");
  std::string csv;
  for (const auto& [key, value] : pairs) csv += quoted(key) + "," + quoted(value) + end;
  RecordSyntax syntax = text_csv;
  syntax.header = CsvHeader::absent;
  RC_ASSERT(pairs_of(read_all(csv, syntax)) == pairs);
}

RC_GTEST_PROP(JsonRecords, AnyTextIsReadBack, ()) {
  const auto ascii = rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
  const auto pairs = *rc::gen::container<Pairs>(rc::gen::pair(rc::gen::nonEmpty(ascii), ascii));
  std::string lines;
  for (const auto& [key, value] : pairs) {
    lines += json{{"key", key}, {"value", value}}.dump() + "\n";
  }
  RC_ASSERT(pairs_of(read_all(lines, text_json)) == pairs);
}

TEST(Values, MayBeWrittenInHexOrBase64) {
  RecordSyntax hex = text_csv;
  hex.encoding = ValueEncoding::hex;
  EXPECT_EQ(pairs_of(read_all("a,0x4142\nb,4a4B\nc,\n", hex)),
            (Pairs{{"a", "AB"}, {"b", "JK"}, {"c", ""}}));
  RecordSyntax base64 = text_csv;
  base64.encoding = ValueEncoding::base64;
  EXPECT_EQ(pairs_of(read_all("a,QUI=\nb,SktM\nc,\n", base64)),
            (Pairs{{"a", "AB"}, {"b", "JKL"}, {"c", ""}}));
  for (const std::string_view wrong : {"a,4", "a,4g", "a,0x4"}) {
    EXPECT_EQ(code_of(read_all(wrong, hex)), ErrorCode::malformed_input) << wrong;
  }
  for (const std::string_view wrong : {"a,QUI", "a,QU I=", "a,Q===", "a,QUI=QUI=", "a,QU-_",
                                       "a,QUI\xC3", "a,\xC3\x80==", "a,\xFF\xFF\xFF\xFF"}) {
    EXPECT_EQ(code_of(read_all(wrong, base64)), ErrorCode::malformed_input) << wrong;
  }
}

TEST(CsvHeader, IsFoundByItsWordsUnlessToldOtherwise) {
  const auto skipped = [](std::string_view input, RecordSyntax syntax, CsvHeader header) {
    syntax.header = header;
    const auto read = read_all(input, syntax);
    return read ? std::optional(read->skipped_header) : std::nullopt;
  };
  EXPECT_EQ(skipped("key,value\na,1\n", text_csv, CsvHeader::automatic), true);
  EXPECT_EQ(skipped("\"Key\",VALUE\na,1\n", text_csv, CsvHeader::automatic), true);
  EXPECT_EQ(skipped("key,1\na,1\n", text_csv, CsvHeader::automatic), false);
  EXPECT_EQ(skipped("a,value\nb,1\n", text_csv, CsvHeader::automatic), false);
  EXPECT_EQ(skipped("key,value\na,1\n", text_csv, CsvHeader::absent), false);
  EXPECT_EQ(skipped("a,1\nb,1\n", text_csv, CsvHeader::present), true);
  // Only the first record can be a header.
  EXPECT_EQ(skipped("a,1\nkey,value\n", text_csv, CsvHeader::automatic), false);

  EXPECT_EQ(skipped("Address,balance_wei\n" + address + ",1\n", account_csv, CsvHeader::automatic),
            true);
  EXPECT_EQ(skipped(address + ",1\n", account_csv, CsvHeader::automatic), false);
  // A first address with an error in it is an error, not a header.
  EXPECT_EQ(skipped("0x12,1\n" + address + ",1\n", account_csv, CsvHeader::automatic),
            std::nullopt);
}

TEST(AccountRecords, FromCsv) {
  const auto read =
      read_all(address + ",200000000000000000000\n" + address + ",0x10,7\n" + address + ",1,,9\n",
               account_csv);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->records.size(), 3U);
  EXPECT_EQ(to_hex(read->records[0].key), address.substr(2));
  EXPECT_TRUE(account_of(read->records[0]) ==
              (table::EthereumAccount{Uint128{200} * 1'000'000'000'000'000'000U, 0, 0}));
  EXPECT_TRUE(account_of(read->records[1]) == (table::EthereumAccount{16, 7, 0}));
  EXPECT_TRUE(account_of(read->records[2]) == (table::EthereumAccount{1, 0, 9}));
}

TEST(AccountRecords, FromJsonLines) {
  const auto line = [](const std::string& value) {
    return R"({"key":")" + address + R"(","value":)" + value + "}\n";
  };
  const auto read = read_all(line("\"340282366920938463463374607431768211455\"") + line("5") +
                                 line(R"({"balance":"1","nonce":2,"code_id":"3"})") +
                                 line(R"({"balance":18446744073709551615})"),
                             account_json);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->records.size(), 4U);
  EXPECT_TRUE(account_of(read->records[0]) == (table::EthereumAccount{~Uint128{0}, 0, 0}));
  EXPECT_TRUE(account_of(read->records[1]) == (table::EthereumAccount{5, 0, 0}));
  EXPECT_TRUE(account_of(read->records[2]) == (table::EthereumAccount{1, 2, 3}));
  EXPECT_TRUE(account_of(read->records[3]) == (table::EthereumAccount{UINT64_MAX, 0, 0}));
}

// The error of the second line, of which the sentence may repeat nothing.
void expect_refused(const std::string& first, const std::string& second,
                    const RecordSyntax& syntax) {
  SCOPED_TRACE(second.substr(0, 200));
  const auto read = read_all(first + "\n" + second, syntax);
  ASSERT_EQ(code_of(read), ErrorCode::malformed_input);
  EXPECT_TRUE(read.error().message.starts_with("line 2 of the input: ")) << read.error().message;
  for (const std::string_view content : {"SECRET", "4321", "0x00"}) {
    EXPECT_EQ(read.error().message.find(content), std::string::npos) << read.error().message;
  }
}

TEST(Records, MalformedCsvIsRefusedWithItsLine) {
  for (const std::string& line :
       {std::string("SECRET"), std::string("SECRET,1,2"), std::string(",SECRET"),
        std::string("\"SECRET,1\n"), std::string("\"SECRET\"x,1"), std::string("SE\"CRET,1"),
        std::string("SECRET,1\r2"), std::string("SECRET,1,2,3,4,5"), std::string(5000, 'k') + ",1",
        "a," + std::string(70'000, 'v'), "a," + std::string(max_record_bytes, 'v'),
        "\"" + std::string(max_record_bytes, '\n')}) {
    expect_refused("a,1", line, text_csv);
  }
}

TEST(Records, MalformedAccountsAreRefusedWithTheirLine) {
  for (const char* const value :
       {"", "SECRET", "-4321", "4321.5", "340282366920938463463374607431768211456", "4321,-4321",
        "4321,18446744073709551616", "4321,0,4294967296", "4321,0,0,0", "4321,0,SECRET", " 4321"}) {
    expect_refused(address + ",1", address + "," + value, account_csv);
  }
  for (const char* const key : {"SECRET", "0x004321", "0x000d83620131"}) {
    expect_refused(address + ",1", std::string(key) + ",1", account_csv);
  }
  expect_refused(address + ",1", address, account_csv);
}

TEST(Records, MalformedJsonLinesAreRefusedWithTheirLine) {
  const std::string first = R"({"key":"a","value":"1"})";
  for (const std::string& line :
       {std::string("SECRET"), std::string("{"), std::string("[]"), std::string("\"SECRET\""),
        std::string(R"({"key":"SECRET"})"), std::string(R"({"value":"SECRET"})"),
        std::string(R"({"key":"SECRET","value":"1","more":1})"),
        std::string(R"({"key":"SECRET","key":"b","value":"1"})"),
        std::string(R"({"key":4321,"value":"1"})"), std::string(R"({"key":"","value":"1"})"),
        std::string(R"({"key":"SECRET","value":4321})"),
        std::string(R"({"key":"SECRET","value":null})"),
        std::string(R"({"key":"SECRET","value":["1"]})"), first + first,
        std::string(2 * max_record_bytes, '['),
        R"({"key":"a","value":")" + std::string(70'000, 'v') + "\"}"}) {
    expect_refused(first, line, text_json);
  }
  const std::string account = R"({"key":")" + address + R"(","value":)";
  for (const char* const value :
       {"-4321", "4321.0", "1e30", "18446744073709551616", "null", "\"\"", "\"SECRET\"", "[4321]",
        "{}", R"({"balance":null})", R"({"balance":"1","nonce":-4321})",
        R"({"balance":"1","more":"SECRET"})", R"({"nonce":4321})",
        R"({"balance":"1","nonce":""})"}) {
    expect_refused(account + "1}", account + value + "}", account_json);
  }
}

TEST(Records, TheBoundOfValuesIsExact) {
  RecordSyntax syntax = text_csv;
  syntax.max_value_bytes = 3;
  EXPECT_EQ(pairs_of(read_all("a,123\n", syntax)), (Pairs{{"a", "123"}}));
  expect_refused("a,1", "b,4321", syntax);
}

}  // namespace
}  // namespace gyre::snapshot
