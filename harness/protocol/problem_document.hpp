// Errors as they travel: application/problem+json (RFC 9457) with the member `code`.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace gyre::protocol {

inline constexpr std::string_view problem_media_type = "application/problem+json";

// Longer documents are not ours.
inline constexpr std::size_t max_problem_bytes = 4096;

// What a server says went wrong, as a client reads it.
struct ProblemDocument {
  int status = 0;
  std::string code;    // snake_case; a newer server may use codes this build does not know
  std::string detail;  // for people; printable ASCII, at most max_detail_bytes

  static constexpr std::size_t max_detail_bytes = 512;
};

// {"type": "about:blank", "title", "status", "detail", "code"}; the status is the code's.
[[nodiscard]] std::string encode_problem(const Error& error);

// Whatever a server sent as its problem; characters of the detail that are not printable ASCII,
// which could drive a person's terminal, become '?'. Members that are not known are passed over, as
// the RFC asks. Errors: bad_answer.
[[nodiscard]] Result<ProblemDocument> decode_problem(std::string_view body);

// The problem's code, if this build knows it.
[[nodiscard]] std::optional<ErrorCode> known_code(const ProblemDocument& problem) noexcept;

}  // namespace gyre::protocol
