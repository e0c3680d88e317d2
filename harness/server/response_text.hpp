// Responses that are written without the HTTP library.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace gyre::server {

// Of every response, names and values.
inline constexpr const char* common_headers[][2] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
};

// A whole response with a problem document. `more_headers`: lines, each with its CRLF.
[[nodiscard]] std::string format_refusal(const Error& error, std::string_view more_headers,
                                         bool with_body, bool close);

// The head of a response 200 whose length nobody knows.
[[nodiscard]] std::string format_unending_head(const std::string& media_type, bool close);

}  // namespace gyre::server
