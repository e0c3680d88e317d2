#include "harness/table/uint128.hpp"

#include <algorithm>
#include <cstdint>

#include "core/ascii.hpp"

namespace gyre::table {
namespace {

constexpr Uint128 max_uint128 = ~Uint128{0};

}  // namespace

Result<Uint128> parse_uint128(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const int base = hex ? 16 : 10;
  if (hex) text.remove_prefix(2);
  if (text.empty()) {
    return fail(ErrorCode::malformed_input, "a number must have at least one digit");
  }
  Uint128 number = 0;
  for (const char c : text) {
    const int digit = hex_digit_value(c);
    if (digit < 0 || digit >= base) {
      return fail(ErrorCode::malformed_input,
                  "a number must be decimal digits, or hex digits after 0x, and nothing else");
    }
    if (number > (max_uint128 - static_cast<unsigned>(digit)) / static_cast<unsigned>(base)) {
      return fail(ErrorCode::malformed_input, "a number must be at most 2^128 - 1");
    }
    number = number * static_cast<unsigned>(base) + static_cast<unsigned>(digit);
  }
  return number;
}

std::string to_decimal(Uint128 number) {
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(number % 10)));
    number /= 10;
  } while (number != 0);
  std::reverse(text.begin(), text.end());
  return text;
}

}  // namespace gyre::table
