#include "harness/server/chunked_decoder.hpp"

#include <algorithm>

namespace gyre::server {
namespace {

constexpr unsigned max_size_digits = 8;

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<void> ChunkedDecoder::step(char c) {
  const auto expect = [&](char wanted, State next) {
    if (c != wanted) return false;
    state_ = next;
    return true;
  };
  bool fits = true;
  switch (state_) {
    case State::size:
      if (const int value = digit_value(c); value >= 0) {
        fits = ++digits_ <= max_size_digits;
        left_ = left_ * 16 + static_cast<unsigned>(value);
      } else {
        fits =
            digits_ > 0 && (expect(';', State::extension) || expect('\r', State::size_line_feed));
      }
      break;
    case State::extension:
      fits = expect('\r', State::size_line_feed) || c != '\n';
      break;
    case State::size_line_feed:
      fits = expect('\n', left_ == 0 ? State::trailer_start : State::data);
      break;
    case State::data_carriage_return:
      fits = expect('\r', State::data_line_feed);
      break;
    case State::data_line_feed:
      fits = expect('\n', State::size);
      digits_ = 0;
      break;
    case State::trailer_start:
      fits = expect('\r', State::last_line_feed) || c != '\n';
      if (state_ == State::trailer_start) state_ = State::trailer;
      break;
    case State::trailer:
      fits = expect('\r', State::trailer_line_feed) || c != '\n';
      break;
    case State::trailer_line_feed:
      fits = expect('\n', State::trailer_start);
      break;
    case State::last_line_feed:
      fits = expect('\n', State::done);
      break;
    case State::data:
    case State::done:
      break;
  }
  if (!fits)
    return fail(ErrorCode::malformed_request, "the chunks of the body are not well formed");
  return {};
}

Result<std::size_t> ChunkedDecoder::decode(std::string_view input, std::string& body) {
  std::size_t used = 0;
  while (used < input.size() && !done()) {
    if (state_ == State::data) {
      const std::size_t take =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - used));
      if (take > max_bytes_ - body.size()) break;
      body.append(input.substr(used, take));
      used += take;
      left_ -= take;
      if (left_ == 0) state_ = State::data_carriage_return;
    } else {
      if (auto stepped = step(input[used]); !stepped) return forward_error(stepped);
      ++used;
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
