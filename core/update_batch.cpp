#include "core/update_batch.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "core/bytes.hpp"

namespace gyre {

Result<void> check_well_formed(const UpdateBatch& batch) {
  const auto malformed = [](const char* sentence) {
    return fail(ErrorCode::malformed_request, sentence);
  };
  if (batch.tables.empty()) return malformed("a batch must have rows for at least one table");
  for (auto part = batch.tables.begin(); part != batch.tables.end(); ++part) {
    if (part->rows.empty()) return malformed("a batch must have at least one row for every table");
    if (part != batch.tables.begin() && !(std::prev(part)->table < part->table)) {
      return malformed("the tables of a batch must strictly increase by their ids");
    }
    const auto not_increasing = [](std::uint64_t a, std::uint64_t b) { return a >= b; };
    if (std::adjacent_find(part->rows.begin(), part->rows.end(), not_increasing) !=
        part->rows.end()) {
      return malformed("the rows of a batch must strictly increase within a table");
    }
    const std::size_t row_bytes = part->data.size() / part->rows.size();
    if (part->data.size() % part->rows.size() != 0 || row_bytes == 0 || row_bytes % 4 != 0 ||
        row_bytes > Geometry::max_row_bytes) {
      return malformed("all rows of a table must have the table's row_bytes bytes");
    }
  }
  return {};
}

std::vector<std::byte> binary_form(const UpdateBatch& batch) {
  std::vector<std::byte> out;
  std::size_t bytes = 4 + 8 + 4;
  for (const TableUpdate& part : batch.tables) {
    bytes += part.table.size() + 4 + 8 * part.rows.size() + part.data.size();
  }
  out.reserve(bytes);
  const auto append = [&](std::span<const std::byte> more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  append(as_bytes("GYU1"));
  append_little_endian(out, batch.seq);
  append_little_endian(out, static_cast<std::uint32_t>(batch.tables.size()));
  for (const TableUpdate& part : batch.tables) {
    append(part.table);
    append_little_endian(out, static_cast<std::uint32_t>(part.rows.size()));
    const std::size_t row_bytes = part.data.size() / part.rows.size();
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      append_little_endian(out, part.rows[i]);
      append(std::span(part.data).subspan(i * row_bytes, row_bytes));
    }
  }
  return out;
}

}  // namespace gyre
