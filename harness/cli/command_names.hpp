// What `gyre` can be asked to do. A configuration file may have a table for each.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace gyre::cli {

inline constexpr std::string_view command_names[] = {"serve",   "snapshot", "lookup", "fetch",
                                                     "update",  "rotate",   "run",    "report",
                                                     "compare", "faults"};

[[nodiscard]] constexpr bool is_command(std::string_view name) noexcept {
  return std::find(std::begin(command_names), std::end(command_names), name) !=
         std::end(command_names);
}

}  // namespace gyre::cli
