// Unsigned 128-bit numbers and their decimal and hex text.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace gyre::table {

__extension__ using Uint128 = unsigned __int128;

// Decimal digits ("200", leading zeros allowed), or hex after "0x". Nothing else: no sign, space or
// point. Errors: malformed_input (form, or more than 2^128 - 1).
[[nodiscard]] Result<Uint128> parse_uint128(std::string_view text);

[[nodiscard]] std::string to_decimal(Uint128 number);

}  // namespace gyre::table
