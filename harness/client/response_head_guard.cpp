#include "harness/client/response_head_guard.hpp"

namespace gyre::client {
namespace {

// The library matches this line with a regular expression whose stack grows with the line.
constexpr std::size_t max_status_line_bytes = 512;

}  // namespace

bool ResponseHeadGuard::accepts(std::string_view bytes) noexcept {
  if (complete_) return true;
  for (const char c : bytes) {
    if (++bytes_ > max_response_head_bytes) return false;
    if (lines_ == 0) {
      if (bytes_ > max_status_line_bytes) return false;
      // "HTTP/1.1 2": a status of 100 would begin a second head, and nobody asked for one.
      constexpr std::string_view begin = "HTTP/1.";
      const std::size_t at = bytes_ - 1;
      const bool fits = at < begin.size() ? c == begin[at]
                        : at == 7         ? c == '0' || c == '1'
                        : at == 8         ? c == ' '
                        : at == 9         ? c >= '2' && c <= '5'
                                          : true;
      if (!fits) return false;
    }
    if (c == '\n') {
      ++lines_;
      if (line_bytes_ == 0) {
        complete_ = true;
        return true;
      }
      line_bytes_ = 0;
    } else if (c != '\r') {
      ++line_bytes_;
    }
  }
  return true;
}

}  // namespace gyre::client
