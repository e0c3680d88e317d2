// Where results are kept: one JSON file per run.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "core/error.hpp"

namespace gyre::report {

// Writes DIRECTORY/NAME-TIME.json (UTC, to the second; a further one of that second gets -2, -3, …)
// whole or not at all and returns its path. The directory is made if it is missing. Overwrites
// nothing. Errors: io_failed.
[[nodiscard]] Result<std::filesystem::path> write_result(const std::filesystem::path& directory,
                                                         std::string_view name,
                                                         const nlohmann::json& result);

}  // namespace gyre::report
