#include "core/bytes.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace gyre {
namespace {

TEST(Hex, GoesThereAndBack) {
  std::array<std::byte, 3> bytes{std::byte{0x00}, std::byte{0x7f}, std::byte{0xe9}};
  EXPECT_EQ(to_hex(bytes), "007fe9");
  std::array<std::byte, 3> back{};
  ASSERT_TRUE(from_hex("007FE9", back));
  EXPECT_EQ(back, bytes);
}

TEST(Hex, RefusesOtherDigitsAndLengths) {
  std::array<std::byte, 2> out{};
  for (const std::string_view text : {"", "123", "12345", "12 4", "12g4", "0x12", "-123"}) {
    EXPECT_FALSE(from_hex(text, out)) << text.size();
  }
}

TEST(LittleEndian, StoresTheLowByteFirst) {
  std::vector<std::byte> out;
  append_little_endian<std::uint32_t>(out, 0x01020304U);
  EXPECT_EQ(to_hex(out), "04030201");
  EXPECT_EQ(load_little_endian<std::uint32_t>(out.data()), 0x01020304U);
}

TEST(CheckedArithmetic, NoticesOverflow) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(checked_multiply(most, 1), most);
  EXPECT_FALSE(checked_multiply(most / 2 + 1, 2));
  EXPECT_EQ(checked_add(most - 1, 1), most);
  EXPECT_FALSE(checked_add(most, 1));
  EXPECT_EQ(divide_rounding_up(most, 2), most / 2 + 1);
  EXPECT_EQ(divide_rounding_up(0, 7), 0U);
}

}  // namespace
}  // namespace gyre
