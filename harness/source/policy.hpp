// What the operator allows as a source of snapshots. Fail-closed: nothing set means nothing
// allowed.
//
// Thread-safety: values; share them like any other value.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace gyre::source {

struct SourcePolicy {
  // "host" (at the default port of its scheme) or "host:port", names or IP addresses, an IPv6
  // address in brackets. A URL's host and port must equal one of them after normalisation: no
  // wildcards, no subdomains.
  std::vector<std::string> allowed_hosts;

  // Whether an allowed host may be asked over http; else over https only.
  bool allow_plain_http = false;

  // Networks that an allowed host may be in although they are not on the public internet:
  // "127.0.0.0/8", "10.1.0.0/16", "::1/128", or one address. Loopback, link-local, private, shared
  // and reserved addresses are refused unless they are in one of these; multicast, broadcast and
  // unspecified addresses always are.
  std::vector<std::string> allowed_networks;

  // The directory that file:/// URLs are relative to and cannot leave. Empty: no local sources.
  std::filesystem::path local_root;

  // A PEM file of certificates to trust besides the system's. Empty: the system's alone.
  std::string ca_file;

  // The longest source of all, bytes.
  std::uint64_t max_bytes = std::uint64_t{1} << 40U;

  // Each above 0 and at most a day. They hold for http and https, not for local files.
  std::chrono::milliseconds connect_time{10'000};     // name, TCP and TLS together
  std::chrono::milliseconds first_byte_time{30'000};  // from the request to the end of the head
  std::chrono::milliseconds stall_time{30'000};  // waiting for min_progress_bytes more of the body
  std::chrono::milliseconds total_time{6 * 3'600'000};  // from open() to the last byte

  // That everything in it is of the documented form, and that `local_root` is a directory and
  // `ca_file` holds certificates. Errors: bad_configuration.
  [[nodiscard]] Result<void> check() const;
};

// An origin must deliver this many bytes of body within the stall time, or the rest of the body: a
// trickle is not progress. Only the time that read() waits counts, so a slow reader is not taken
// for a slow origin.
inline constexpr std::uint64_t min_progress_bytes = 4096;

}  // namespace gyre::source
