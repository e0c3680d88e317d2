#include "harness/table/keyed_row.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <string>

#include "core/bytes.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::table {
namespace {

// Computed with another implementation of SipHash-2-4, written in Python.
TEST(Candidates, OfKnownKeys) {
  const auto address =
      parse_key(ValueKind::ethereum_account, "0x000d836201318ec6899a67540690382780743280");
  ASSERT_TRUE(address);
  EXPECT_EQ(candidates(example_layout(), 10'509, *address), (Candidates{3048, 2083, 3184}));
  // The hash is an unsigned number: the third is above 2^63.
  EXPECT_EQ(candidates(example_layout(), UINT64_MAX, *address),
            (Candidates{1682546161791590751U, 3308635291814335756U, 12353008649694573049U}));
  EXPECT_EQ(candidates(example_layout(), 113, as_bytes("alice")), (Candidates{10, 51, 97}));
}

TEST(Tag, OfKnownKeys) {
  const auto address =
      parse_key(ValueKind::ethereum_account, "0x000d836201318ec6899a67540690382780743280");
  ASSERT_TRUE(address);
  EXPECT_EQ(tag(example_layout(), *address), 2327451831456252091U);
  EXPECT_EQ(tag(example_layout(), as_bytes("alice")), 0xdad9c8ea8842c2e4U);
}

RC_GTEST_PROP(Candidates, AreRowsOfTheTable, (const std::string& key)) {
  const auto rows = *rc::gen::inRange<std::uint64_t>(1, 1000);
  for (const std::uint64_t row : candidates(example_layout(), rows, as_bytes(key))) {
    RC_ASSERT(row < rows);
  }
}

TEST(ParseKey, AnAddressMayBeOfEitherCase) {
  const auto lower =
      parse_key(ValueKind::ethereum_account, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
  const auto mixed =
      parse_key(ValueKind::ethereum_account, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
  // Not the checksum of EIP-55, which is not asked for.
  const auto upper =
      parse_key(ValueKind::ethereum_account, "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED");
  ASSERT_TRUE(lower && mixed && upper);
  EXPECT_EQ(lower->size(), 20U);
  EXPECT_EQ(*lower, *mixed);
  EXPECT_EQ(*lower, *upper);
}

TEST(ParseKey, RefusesWhatIsNoAddress) {
  for (const std::string_view text :
       {"", "0x", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg", "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        " 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"}) {
    const auto key = parse_key(ValueKind::ethereum_account, text);
    EXPECT_EQ(code_of(key), ErrorCode::malformed_input) << text;
  }
}

TEST(ParseKey, BytesAreTakenAsGiven) {
  const auto key = parse_key(ValueKind::bytes, "0xAb \xC3\xA4");
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(*key),
            "30784162"
            "20"
            "c3a4");
  EXPECT_TRUE(parse_key(ValueKind::bytes, std::string(max_key_bytes, 'k')));
  EXPECT_EQ(code_of(parse_key(ValueKind::bytes, std::string(max_key_bytes + 1, 'k'))),
            ErrorCode::malformed_input);
  EXPECT_EQ(code_of(parse_key(ValueKind::bytes, "")), ErrorCode::malformed_input);
}

TEST(EncodeRow, IsTagValueAndZeros) {
  std::array<std::byte, 16> row = repeated_byte<std::array<std::byte, 16>>(0xFF);
  encode_row(0x0102030405060708U, as_bytes("abc"), row);
  EXPECT_EQ(to_hex(row),
            "0807060504030201"
            "616263"
            "0000000000");
  EXPECT_EQ(row_tag(row), 0x0102030405060708U);
  Cuckoo3Layout layout;
  layout.value_bytes = 4;
  EXPECT_EQ(to_hex(row_value(layout, row)), "61626300");
}

}  // namespace
}  // namespace gyre::table
