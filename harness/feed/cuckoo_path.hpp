// Room for one key in a cuckoo table whose rows are taken: which keys move where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::feed {

// The candidates of the key that holds a row, or nothing if the row is empty.
using HolderOfRow = std::function<Result<std::optional<table::Candidates>>(std::uint64_t row)>;

// Rows that are looked at before the table counts as full. A key that fits a table of load 85 %
// takes a few dozen; three candidates work up to 91.8 %.
inline constexpr std::size_t max_rows_searched = 4096;

// No path is longer: of the keys that move each has at most two more candidates, so a search that
// is this deep has seen max_rows_searched rows.
inline constexpr std::size_t max_path_rows = 64;

// The shortest path of rows for a key that is not in the table: the key goes to the first, the
// holder of each row goes to the next, which is one of its candidates, and the last is empty.
// Nothing if there is none among the rows that are searched. Errors: table_full is not one; what
// `holder_of` returns.
[[nodiscard]] Result<std::optional<std::vector<std::uint64_t>>> find_path(
    const table::Candidates& candidates, const HolderOfRow& holder_of);

}  // namespace gyre::feed
