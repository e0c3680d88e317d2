// Holds the head of an HTTP response to its bounds before a library parses it.
#pragma once

#include <cstddef>
#include <string_view>

namespace gyre::client {

inline constexpr std::size_t max_response_head_bytes = 16 * 1024;

// One response. One thread at a time.
class ResponseHeadGuard {
 public:
  // The next bytes of the response; false from the first byte on that makes the head too long, or
  // its first line none of a response from 200 to 599 of HTTP/1.0 or 1.1. Bytes after the head may
  // be anything.
  [[nodiscard]] bool accepts(std::string_view bytes) noexcept;

 private:
  std::size_t bytes_ = 0;
  std::size_t lines_ = 0;
  std::size_t line_bytes_ = 0;
  bool complete_ = false;
};

}  // namespace gyre::client
