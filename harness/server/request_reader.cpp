#include "harness/server/request_reader.hpp"

#include <algorithm>
#include <array>

#include "core/fault_point.hpp"
#include "harness/server/chunked_decoder.hpp"

namespace gyre::server {
namespace {

constexpr std::size_t piece_bytes = 16 * 1024;

tl::unexpected<ReadFailure> refuse(Error error) {
  return tl::unexpected<ReadFailure>(ReadFailure{std::move(error)});
}

tl::unexpected<ReadFailure> too_large(std::size_t max_bytes) {
  return refuse({ErrorCode::request_too_large,
                 "a body here may have at most " + std::to_string(max_bytes) + " bytes"});
}

}  // namespace

RequestReader::RequestReader(Transport& transport, std::size_t max_head_bytes)
    : transport_(transport), max_head_bytes_(max_head_bytes) {}

tl::expected<void, ReadFailure> RequestReader::fill(Deadline deadline) {
  GYRE_FAULT_POINT_OR(http_receive, return tl::unexpected<ReadFailure>(ReadFailure{}));
  std::array<char, piece_bytes> piece;
  // A peer that always has one more byte must not escape the deadline.
  const bool late = std::chrono::steady_clock::now() >= deadline;
  const Transfer got =
      late ? Transfer{TransferOutcome::timed_out, 0} : transport_.read(piece, deadline);
  if (got.outcome == TransferOutcome::timed_out) {
    return refuse({ErrorCode::request_too_slow,
                   "the request did not arrive within the time that this server gives it"});
  }
  if (got.outcome != TransferOutcome::moved) return tl::unexpected<ReadFailure>(ReadFailure{});
  buffer_.append(piece.data(), got.bytes);
  return {};
}

bool RequestReader::has_begun() {
  // Empty lines before a request are passed over, as RFC 9112 asks.
  const std::size_t first = buffer_.find_first_not_of("\r\n");
  buffer_.erase(0, first == std::string::npos ? buffer_.size() : first);
  return !buffer_.empty();
}

bool RequestReader::wait_for_request(Deadline deadline) {
  while (!has_begun()) {
    if (!fill(deadline)) return false;
  }
  return true;
}

tl::expected<RequestHead, ReadFailure> RequestReader::read_head(Deadline deadline) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find("\r\n\r\n", searched);
    const std::size_t head_bytes = end == std::string::npos ? buffer_.size() : end + 4;
    if (head_bytes > max_head_bytes_) {
      return refuse({ErrorCode::request_too_large, "a request's head may have at most " +
                                                       std::to_string(max_head_bytes_) + " bytes"});
    }
    // A line that ends in LF alone would otherwise leave its sender waiting for the deadline.
    for (std::size_t at = buffer_.find('\n', searched); at < head_bytes;
         at = buffer_.find('\n', at + 1)) {
      if (at == 0 || buffer_[at - 1] != '\r') {
        return refuse({ErrorCode::malformed_request, "lines of a request must end in CRLF"});
      }
    }
    if (end != std::string::npos) {
      auto head = parse_request_head(std::string_view(buffer_).substr(0, head_bytes));
      if (!head) return refuse(std::move(head.error()));
      buffer_.erase(0, head_bytes);
      return std::move(*head);
    }
    searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
    if (auto filled = fill(deadline); !filled) return tl::unexpected<ReadFailure>(filled.error());
  }
}

tl::expected<std::string, ReadFailure> RequestReader::read_body(const RequestHead& head,
                                                                std::size_t max_bytes,
                                                                Deadline deadline) {
  if (head.chunked) return read_chunked_body(max_bytes, deadline);
  const std::uint64_t length = head.content_length.value_or(0);
  if (length > max_bytes) return too_large(max_bytes);
  return read_sized_body(length, deadline);
}

tl::expected<std::string, ReadFailure> RequestReader::read_sized_body(std::uint64_t length,
                                                                      Deadline deadline) {
  std::string body;
  for (;;) {
    const std::size_t take =
        static_cast<std::size_t>(std::min<std::uint64_t>(length - body.size(), buffer_.size()));
    body.append(buffer_, 0, take);
    buffer_.erase(0, take);
    if (body.size() == length) return body;
    if (auto filled = fill(deadline); !filled) return tl::unexpected<ReadFailure>(filled.error());
  }
}

tl::expected<std::string, ReadFailure> RequestReader::read_chunked_body(std::size_t max_bytes,
                                                                        Deadline deadline) {
  std::string body;
  ChunkedDecoder decoder(max_bytes);
  for (;;) {
    auto used = decoder.decode(buffer_, body);
    if (!used) return refuse(std::move(used.error()));
    buffer_.erase(0, *used);
    if (decoder.done()) return body;
    if (auto filled = fill(deadline); !filled) return tl::unexpected<ReadFailure>(filled.error());
  }
}

}  // namespace gyre::server
