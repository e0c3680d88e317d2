// Reads one request after another off a connection, within bounds of bytes and time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "core/error.hpp"
#include "harness/server/request_head.hpp"
#include "harness/server/transport.hpp"

namespace gyre::server {

// Why there is no request: an error to answer with, or nothing to say because the peer is gone.
struct ReadFailure {
  std::optional<Error> error;
};

// One thread at a time. Bytes of a following request that came along are kept for it.
class RequestReader {
 public:
  RequestReader(Transport& transport, std::size_t max_head_bytes);

  // Whether a request has begun: bytes of it came along with the one before.
  [[nodiscard]] bool has_begun();

  // Whether a request begins before the deadline.
  [[nodiscard]] bool wait_for_request(Deadline deadline);

  // Errors: malformed_request, request_too_large (more than max_head_bytes), request_too_slow.
  [[nodiscard]] tl::expected<RequestHead, ReadFailure> read_head(Deadline deadline);

  // The body that belongs to the head just read, however its length is stated. It takes memory as
  // it comes, not as it is announced. Errors: malformed_request, request_too_large,
  // request_too_slow.
  [[nodiscard]] tl::expected<std::string, ReadFailure> read_body(const RequestHead& head,
                                                                 std::size_t max_bytes,
                                                                 Deadline deadline);

 private:
  // One more piece into the buffer.
  [[nodiscard]] tl::expected<void, ReadFailure> fill(Deadline deadline);
  [[nodiscard]] tl::expected<std::string, ReadFailure> read_sized_body(std::uint64_t length,
                                                                       Deadline deadline);
  [[nodiscard]] tl::expected<std::string, ReadFailure> read_chunked_body(std::size_t max_bytes,
                                                                         Deadline deadline);

  Transport& transport_;
  std::size_t max_head_bytes_;
  std::string buffer_;  // came, not yet used
};

}  // namespace gyre::server
