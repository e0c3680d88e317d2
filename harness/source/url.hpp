// Addresses of sources: which forms are accepted, and the one spelling of each.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace gyre::source {

inline constexpr std::size_t max_url_bytes = 4096;

enum class Scheme : std::uint8_t { https, http, file };

// "https://host[:port][/path][?query]", the same with http, or "file:///path". The scheme and host
// in lower case, IP addresses in the one spelling of inet_ntop, the port always known.
struct Url {
  Scheme scheme = Scheme::https;
  std::string host;        // without brackets; empty for file
  std::uint16_t port = 0;  // 0 for file
  std::string path = "/";  // begins with '/'; as given, nothing decoded
  std::string query;       // with its '?'; empty if there is none

  // Strict: printable ASCII, no credentials, no fragment, no backslash, no empty, "." or ".."
  // segments (percent-encoded or not), whole percent-encodings only; a host is a plain DNS name
  // without a final dot, or an IP address in its full form. A file's path has neither
  // percent-encodings nor a query. Errors: unsupported_url.
  [[nodiscard]] static Result<Url> parse(std::string_view text);

  // The URL again, without a port that is the scheme's default: parse(text()) is this.
  [[nodiscard]] std::string text() const;

  // "host" or "host:port", as a Host header has it: brackets around IPv6, no default port.
  [[nodiscard]] std::string authority() const;

  friend bool operator==(const Url&, const Url&) = default;
};

// The URL of the file of that plain name beside the one at `url`: where a manifest's rows are. A
// URL with a query has no sibling, because what a query means is the origin's secret. Errors:
// unsupported_url (the URL), malformed_input (the name).
[[nodiscard]] Result<std::string> sibling(std::string_view url, std::string_view file_name);

}  // namespace gyre::source
