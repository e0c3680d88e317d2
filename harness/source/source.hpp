// Where the bytes of a snapshot come from, read hostilely: docs/sources.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>

#include "core/error.hpp"
#include "harness/source/policy.hpp"

namespace gyre::source {

// The bytes of one file or HTTP response, in order. Keeps a buffer of 64 KiB and what a TLS session
// needs, whatever the origin does. One thread at a time; destroying it closes the connection or
// file.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  // How many bytes there are in all, if the origin stated it. Then read() gives exactly as many or
  // fails.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const noexcept = 0;

  // The next bytes: at least one, waiting for it; 0 at the end. Large spans (256 KiB and more) are
  // fast. After an error the source is of no more use. Errors: source_failed, source_timed_out,
  // request_too_large (longer than allowed), cancelled, io_failed (a local file). REQUIRES: a
  // non-empty span.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<std::byte> into) = 0;
};

// Opens the source at `url` (https, http, or file:/// relative to the policy's root) for at most
// min(max_bytes, policy.max_bytes) bytes. Waits until the origin has answered; any wait of it and
// of the source ends within a tenth of a second once `stop` is requested.
//
// Thread-safe. Errors: unsupported_url, source_not_allowed, not_found, request_too_large,
// source_failed, source_timed_out, cancelled, bad_configuration (policy.check()), io_failed,
// out_of_memory, internal.
[[nodiscard]] Result<std::unique_ptr<Source>> open(std::string_view url, const SourcePolicy& policy,
                                                   std::uint64_t max_bytes, std::stop_token stop);

}  // namespace gyre::source
