// What the environment may say about a benchmark's cases.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/geometry.hpp"

namespace gyre::bench {

// Every GYRE_BENCH_… variable that is set, but `besides`, with its value, for result files: what
// was measured depends on them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> said_in_environment(
    std::string_view besides = {});

// A positive number, or `otherwise` where the variable is not set to one.
[[nodiscard]] std::uint64_t number_from_environment(const char* variable, std::uint64_t otherwise);

// The parts of a comma-separated list, or `otherwise` where the variable is not set or empty.
[[nodiscard]] std::vector<std::string> words_from_environment(const char* variable,
                                                              std::vector<std::string> otherwise);
// The same of numbers; what is no number counts as 0.
[[nodiscard]] std::vector<std::uint64_t> numbers_from_environment(
    const char* variable, std::vector<std::uint64_t> otherwise);

// As many whole pages of rows as fit that many bytes, at least one; rows of the nearest size that a
// table may have.
[[nodiscard]] Geometry geometry_for(std::uint32_t row_bytes, std::uint64_t table_bytes);

}  // namespace gyre::bench
