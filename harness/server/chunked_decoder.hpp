// A body in chunks (RFC 9112, section 7.1), decoded as it comes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "harness/protocol/chunk_framing.hpp"

namespace gyre::server {

// One body, one thread at a time. Strict: sizes of 1 to 8 hex digits, lines end in CRLF. Extensions
// and trailers are passed over, within the bound.
class ChunkedDecoder {
 public:
  // At most max_bytes of content, and at most twice that plus 64 KiB of everything together: chunks
  // of one byte with long extensions must not cost more than an honest body.
  explicit ChunkedDecoder(std::size_t max_bytes) noexcept
      : max_bytes_(max_bytes), max_raw_bytes_(2 * max_bytes + 64 * 1024) {}

  // Appends the content in `input` to `body` and returns how much of the input belonged to this
  // body: all of it, unless done(). Errors: malformed_request, request_too_large; then this decoder
  // is of no more use.
  [[nodiscard]] Result<std::size_t> decode(std::string_view input, std::string& body);

  [[nodiscard]] bool done() const noexcept { return framing_.done(); }

 private:
  std::size_t max_bytes_;
  std::size_t max_raw_bytes_;
  std::size_t raw_bytes_ = 0;
  protocol::ChunkFraming framing_;
};

}  // namespace gyre::server
