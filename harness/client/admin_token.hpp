// The bearer token that makes somebody an admin, from where secrets may come from: a file or the
// environment, never the command line.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace gyre::client {

// The variable of the environment that a token is taken from where no file is named.
inline constexpr const char* admin_token_variable = "GYRE_ADMIN_TOKEN";

inline constexpr std::size_t max_admin_token_bytes = 4096;

// The token in the file (its first line, which must be its only one), or without a file the one in
// the environment. Reads the environment: not while another thread changes it. Errors:
// bad_configuration (neither there, or not 1 to 4,096 characters from '!' to '~'), io_failed; no
// message shows any of it.
[[nodiscard]] Result<std::string> read_admin_token(
    const std::optional<std::filesystem::path>& file);

}  // namespace gyre::client
