// The head of an HTTP/1 response to a GET (RFC 9112), read strictly.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.hpp"

namespace gyre::source {

inline constexpr std::size_t max_head_bytes = std::size_t{16} * 1024;
inline constexpr std::size_t max_head_lines = 128;

// Of a response with status 200 and its content as it is. Neither `length` nor `chunked`: the body
// ends with the connection.
struct ResponseHead {
  std::optional<std::uint64_t> length;
  bool chunked = false;
};

// `text` is the head with the empty line that ends it. Lines end in CRLF, no folding, no control
// characters, the body's length stated at most once and in one way. Errors: not_found (404 or
// 410), source_failed (any other status, a redirect, an encoded body, not well formed).
[[nodiscard]] Result<ResponseHead> parse_response_head(std::string_view text);

}  // namespace gyre::source
