// The head of an HTTP/1 request (RFC 9112), read strictly.
//
// What is let through is the subset that every reader understands alike, so no other parser behind
// this one can be made to see another request: lines end in CRLF, no folding, no control
// characters, at most one Content-Length, no Transfer-Encoding but `chunked`, never both.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace gyre::server {

struct RequestHead {
  std::string method;  // a token, at most max_method_bytes
  std::string path;    // the target up to a '?': begins with '/', printable ASCII, not decoded
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, values trimmed
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool close = false;             // the peer wants no further request on this connection
  bool expects_continue = false;  // the peer waits for "100 Continue" before it sends the body

  static constexpr std::size_t max_method_bytes = 32;
  static constexpr std::size_t max_target_bytes = 2048;
  static constexpr std::size_t max_header_lines = 64;

  [[nodiscard]] bool has_body() const noexcept { return chunked || content_length.value_or(0) > 0; }
  // The header of that lower-case name; nullptr if there is none. Of several, the first.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
};

// `text` is the head with the empty line that ends it. Errors: malformed_request; request_too_large
// for a target or a number of header lines beyond the bounds.
[[nodiscard]] Result<RequestHead> parse_request_head(std::string_view text);

// "text/Plain; charset=x" → "text/plain".
[[nodiscard]] std::string media_type_of(std::string_view header_value);

}  // namespace gyre::server
