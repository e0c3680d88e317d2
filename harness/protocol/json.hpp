// JSON from outside: read strictly, within bounds, and without ever repeating what was read.
//
// Thread-safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace gyre::protocol {

// Nesting that any document of Gyre's needs, with room to spare.
inline constexpr int max_json_depth = 16;

// Values in one document unless a caller needs more. A value takes far more memory than its text.
inline constexpr std::size_t default_max_json_values = 100'000;

// One JSON text (RFC 8259). Beyond the RFC: at most max_bytes long, at most max_values values,
// nested at most max_json_depth deep, no member name twice in an object. Errors: request_too_large
// (bytes), malformed_request, out_of_memory.
[[nodiscard]] Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_bytes,
                                                std::size_t max_values = default_max_json_values);

// The functions below read members of an object. Each fails with malformed_request and a sentence
// that names the member (a word of ours) and what it must be, never what it was.

// `value` is an object with exactly these members, plus any of `optional_members`.
[[nodiscard]] Result<void> require_members(
    const nlohmann::json& value, std::initializer_list<std::string_view> members,
    std::initializer_list<std::string_view> optional_members = {});

// REQUIRES of all below: `object` is an object. A missing member is an error like a wrong one.
[[nodiscard]] Result<std::uint64_t> unsigned_member(const nlohmann::json& object,
                                                    std::string_view member,
                                                    std::uint64_t max = UINT64_MAX);
[[nodiscard]] Result<std::string> string_member(const nlohmann::json& object,
                                                std::string_view member, std::size_t max_bytes);

// Exactly 2 * out.size() lower-case hex digits.
[[nodiscard]] Result<void> hex_member(const nlohmann::json& object, std::string_view member,
                                      std::span<std::byte> out);
template <std::size_t Size>
[[nodiscard]] Result<std::array<std::byte, Size>> hex_member(const nlohmann::json& object,
                                                             std::string_view member) {
  std::array<std::byte, Size> out{};
  auto read = hex_member(object, member, out);
  if (!read) return forward_error(read);
  return out;
}

// Whether a string is exactly 2 * out.size() lower-case hex digits; then they are in `out`.
[[nodiscard]] bool read_lower_hex(const nlohmann::json& value, std::span<std::byte> out) noexcept;

}  // namespace gyre::protocol
