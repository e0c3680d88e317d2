// Reading sources in tests.
#pragma once

#include <array>
#include <chrono>
#include <limits>
#include <string>

#include "harness/source/source.hpp"
#include "tests/support/hostile_origin.hpp"

namespace gyre::source {

inline constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();

// Lets in what a test's origin on loopback needs; times long enough to never run out.
inline SourcePolicy policy_for(const HostileOrigin& origin) {
  using std::chrono::seconds;
  SourcePolicy policy;
  policy.allowed_hosts = {"127.0.0.1:" + origin.port_text(), "localhost:" + origin.port_text()};
  policy.allowed_networks = {"127.0.0.0/8", "::1"};
  policy.allow_plain_http = true;
  policy.connect_time = policy.first_byte_time = policy.stall_time = policy.total_time =
      seconds(120);
  return policy;
}

inline std::string url_of(const HostileOrigin& origin) {
  return "http://127.0.0.1:" + origin.port_text() + "/table.rows";
}

// All that is left, read into spans of `piece` bytes; or the error, after as much as had come.
inline Result<std::string> read_all(Source& source, std::size_t piece = 64 * 1024) {
  std::string content;
  std::string buffer(piece, '\0');
  while (true) {
    const auto got = source.read(std::as_writable_bytes(std::span(buffer)));
    if (!got) return tl::unexpected<Error>(got.error());
    if (*got == 0) return content;
    content.append(buffer, 0, *got);
  }
}

// Opens and reads the origin's source to the end.
inline Result<std::string> fetch(const std::string& url, const SourcePolicy& policy,
                                 std::uint64_t max_bytes = no_bound,
                                 const std::stop_token& stop = {}) {
  auto source = open(url, policy, max_bytes, stop);
  if (!source) return forward_error(source);
  return read_all(**source);
}

}  // namespace gyre::source
