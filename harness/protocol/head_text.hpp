// The text of the head of an HTTP/1 message (RFC 9112), read strictly: what requests and responses
// have in common.
//
// Thread-safety: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/ascii.hpp"

namespace gyre::protocol {

// One header line: the name in lower case, the value without blanks around it.
struct HeaderLine {
  std::string name;
  std::string_view value;  // into the text it was read from
};

[[nodiscard]] inline bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

[[nodiscard]] inline std::string_view trim_blanks(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes a line and its CRLF off the front; nothing if there is no CRLF.
[[nodiscard]] inline std::optional<std::string_view> take_line(std::string_view& text) noexcept {
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

// "Name: value" in visible characters, blanks and bytes above ASCII; nothing if it is not that. A
// folded line is not.
[[nodiscard]] inline std::optional<HeaderLine> read_header_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  const auto may_stand_in_a_field = [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  };
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
      !std::all_of(line.begin(), line.end(), may_stand_in_a_field)) {
    return std::nullopt;
  }
  return HeaderLine{ascii_lower_case(line.substr(0, colon)), trim_blanks(line.substr(colon + 1))};
}

// The value of Content-Length: 1 to 15 decimal digits.
[[nodiscard]] inline std::optional<std::uint64_t> read_content_length(std::string_view value) {
  constexpr std::size_t max_digits = 15;
  if (value.empty() || value.size() > max_digits) return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return length;
}

}  // namespace gyre::protocol
