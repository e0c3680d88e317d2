#include "harness/server/chunked_decoder.hpp"

#include <algorithm>
#include <cstdint>

namespace gyre::server {

Result<std::size_t> ChunkedDecoder::decode(std::string_view input, std::string& body) {
  std::size_t used = 0;
  while (used < input.size() && !done()) {
    if (const std::uint64_t left = framing_.content_left(); left > 0) {
      const auto take =
          static_cast<std::size_t>(std::min<std::uint64_t>(left, input.size() - used));
      if (take > max_bytes_ - body.size()) break;
      body.append(input.substr(used, take));
      used += take;
      framing_.take(take);
    } else {
      const auto passed = framing_.pass(input.substr(used));
      if (!passed)
        return fail(ErrorCode::malformed_request, "the chunks of the body are not well formed");
      used += *passed;
    }
  }
  raw_bytes_ += used;
  if ((used < input.size() && !done()) || raw_bytes_ > max_raw_bytes_) {
    return fail(ErrorCode::request_too_large,
                "a body here may have at most " + std::to_string(max_bytes_) + " bytes");
  }
  return used;
}

}  // namespace gyre::server
