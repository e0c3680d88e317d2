// What stands between the content of a body in chunks (RFC 9112, section 7.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gyre::protocol {

// The framing of one body; the caller handles its content and bounds both. Strict: sizes of 1 to 8
// hex digits, lines end in CRLF. Extensions and trailers are passed over. One thread at a time.
class ChunkFraming {
 public:
  // Passes over the framing at the front of `input`, up to the next content, the end of the body,
  // or the end of `input`, and returns its length; nothing if it is not well formed.
  [[nodiscard]] std::optional<std::size_t> pass(std::string_view input) noexcept;

  // Bytes of content that come next.
  [[nodiscard]] std::uint64_t content_left() const noexcept {
    return state_ == State::content ? left_ : 0;
  }

  // So much content was taken. REQUIRES: at most content_left().
  void take(std::uint64_t bytes) noexcept {
    left_ -= bytes;
    if (left_ == 0) state_ = State::content_carriage_return;
  }

  // The body has ended; what follows is not part of it.
  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }

 private:
  enum class State : std::uint8_t {
    size,            // hex digits
    extension,       // up to the line's CR
    size_line_feed,  // the LF of the size line
    content,
    content_carriage_return,
    content_line_feed,
    trailer_start,  // of a trailer line, or the last line's CR
    trailer,
    trailer_line_feed,
    last_line_feed,
    done,
  };
  [[nodiscard]] bool step(char c) noexcept;

  State state_ = State::size;
  unsigned digits_ = 0;
  std::uint64_t left_ = 0;  // of the chunk
};

}  // namespace gyre::protocol
