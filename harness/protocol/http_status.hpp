// Which HTTP status stands for which error. docs/http.md, "Errors", has the table.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "core/error.hpp"

namespace gyre::protocol {

// From 400 to 507. Codes that a server never answers with are 500: it would be a defect if one got
// there.
[[nodiscard]] int http_status(ErrorCode code) noexcept;

// The status line's words, the same that cpp-httplib writes: "Not Found". "Error" for a status that
// Gyre does not use.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace gyre::protocol
