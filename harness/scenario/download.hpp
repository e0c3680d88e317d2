// What a rotation is held against: the same bytes, fetched and digested by other people's programs.
#pragma once

#include <filesystem>
#include <string>

#include "core/error.hpp"

namespace gyre::scenario {

// Runs `curl URL | sha256sum` so many times at once and waits for all; seconds it took. Needs
// /bin/sh, curl and sha256sum. Errors: io_failed, timed_out.
[[nodiscard]] Result<double> download_and_digest(const std::string& url, unsigned times,
                                                 const std::filesystem::path& log);

}  // namespace gyre::scenario
