// Base64 (RFC 4648, section 4: the standard alphabet, padded), strictly.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace gyre::protocol {

// Characters that many bytes become.
[[nodiscard]] constexpr std::size_t base64_characters(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

[[nodiscard]] std::string to_base64(std::span<const std::byte> bytes);

// Appends to `out` what to_base64(bytes) returns.
void append_base64(std::string& out, std::span<const std::byte> bytes);

// The way back, of canonical text only: no white space, complete padding, unused bits zero; so one
// sequence of bytes has one text. Errors: malformed_request.
[[nodiscard]] Result<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace gyre::protocol
