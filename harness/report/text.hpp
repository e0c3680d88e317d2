// Numbers and tables for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gyre::report {

// "1.00 GiB", "36 B".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

// "1.23 ms": a duration in the unit that suits it.
[[nodiscard]] std::string duration_text(double seconds);

// "8,893".
[[nodiscard]] std::string count_text(std::uint64_t count);

// "28.1": a number with so many digits after the point.
[[nodiscard]] std::string decimal_text(double value, int digits);

// Two columns, the first padded to its widest entry; a row with an empty second column is a
// heading.
[[nodiscard]] std::string two_column_table(
    const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace gyre::report
