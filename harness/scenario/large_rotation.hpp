// One rotation of a table that is large beside everything else a server keeps, for its memory and
// its speed.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/error.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/rotate_run.hpp"

namespace gyre::scenario {

// `bytes`: of the table, about. With `beside_download` the same bytes are fetched by curl too,
// alone, before. Errors: whatever kept it from being made.
[[nodiscard]] Result<LargeRotation> rotate_large(std::uint64_t bytes, const std::string& backend,
                                                 bool beside_download, std::uint64_t seed,
                                                 const std::filesystem::path& program,
                                                 const ProgressReport& progress);

}  // namespace gyre::scenario
