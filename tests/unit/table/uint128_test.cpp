#include "harness/table/uint128.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include "tests/support/code_of.hpp"

namespace gyre::table {
namespace {

Uint128 arbitrary_uint128() {
  return Uint128{*rc::gen::arbitrary<std::uint64_t>()} << 64U |
         *rc::gen::arbitrary<std::uint64_t>();
}

RC_GTEST_PROP(Uint128, DecimalIsReadBackAsTheSame, ()) {
  const Uint128 number = arbitrary_uint128() >> *rc::gen::inRange(0U, 128U);
  const auto read = parse_uint128(to_decimal(number));
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == number);
}

TEST(Uint128, DecimalOfKnownNumbers) {
  EXPECT_EQ(to_decimal(0), "0");
  EXPECT_EQ(to_decimal(1000), "1000");
  EXPECT_EQ(to_decimal(Uint128{1} << 64U), "18446744073709551616");
  EXPECT_EQ(to_decimal(~Uint128{0}), "340282366920938463463374607431768211455");
}

TEST(Uint128, ReadsHexOfEitherCase) {
  EXPECT_TRUE(parse_uint128("0x10") == Uint128{16});
  EXPECT_TRUE(parse_uint128("0XfF") == Uint128{255});
  EXPECT_TRUE(parse_uint128("0xffffffffffffffffffffffffffffffff") == ~Uint128{0});
}

TEST(Uint128, ReadsLeadingZeros) {
  EXPECT_TRUE(parse_uint128("000000000000000000000000000000000000000000000200") == Uint128{200});
}

TEST(Uint128, RefusesOneMoreThanTheLargest) {
  EXPECT_TRUE(parse_uint128("340282366920938463463374607431768211455"));
  EXPECT_EQ(code_of(parse_uint128("340282366920938463463374607431768211456")),
            ErrorCode::malformed_input);
  EXPECT_EQ(code_of(parse_uint128("3402823669209384634633746074317682114550")),
            ErrorCode::malformed_input);
  EXPECT_EQ(code_of(parse_uint128("0x100000000000000000000000000000000")),
            ErrorCode::malformed_input);
}

TEST(Uint128, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", "0x", "-1", "+1", " 1", "1 ", "1.0", "1e3", "1_000", "1,000", "ff", "0xfg", "x1"}) {
    EXPECT_EQ(code_of(parse_uint128(text)), ErrorCode::malformed_input) << text;
  }
}

}  // namespace
}  // namespace gyre::table
