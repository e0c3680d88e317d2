#include "harness/protocol/chunk_framing.hpp"

#include "core/ascii.hpp"

namespace gyre::protocol {
namespace {

constexpr unsigned max_size_digits = 8;

}  // namespace

bool ChunkFraming::step(char c) noexcept {
  const auto expect = [&](char wanted, State next) {
    if (c != wanted) return false;
    state_ = next;
    return true;
  };
  switch (state_) {
    case State::size:
      if (const int value = hex_digit_value(c); value >= 0) {
        left_ = left_ * 16 + static_cast<unsigned>(value);
        return ++digits_ <= max_size_digits;
      }
      return digits_ > 0 && (expect(';', State::extension) || expect('\r', State::size_line_feed));
    case State::extension:
      return expect('\r', State::size_line_feed) || c != '\n';
    case State::size_line_feed:
      return expect('\n', left_ == 0 ? State::trailer_start : State::content);
    case State::content_carriage_return:
      return expect('\r', State::content_line_feed);
    case State::content_line_feed:
      digits_ = 0;
      return expect('\n', State::size);
    case State::trailer_start:
      if (expect('\r', State::last_line_feed)) return true;
      state_ = State::trailer;
      return c != '\n';
    case State::trailer:
      return expect('\r', State::trailer_line_feed) || c != '\n';
    case State::trailer_line_feed:
      return expect('\n', State::trailer_start);
    case State::last_line_feed:
      return expect('\n', State::done);
    case State::content:
    case State::done:
      break;
  }
  return true;
}

std::optional<std::size_t> ChunkFraming::pass(std::string_view input) noexcept {
  std::size_t passed = 0;
  while (passed < input.size() && state_ != State::content && state_ != State::done) {
    if (!step(input[passed])) return std::nullopt;
    ++passed;
  }
  return passed;
}

}  // namespace gyre::protocol
