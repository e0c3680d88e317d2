// One unit of the update feed: "row r is now these bytes", for one or more tables.
//
// Thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre {

// A batch's rows for one table. rows strictly increase; data holds as many bytes for each of them
// as the table's rows are long, in the same order.
struct TableUpdate {
  Bytes16 table{};
  std::vector<std::uint64_t> rows;
  std::vector<std::byte> data;

  friend bool operator==(const TableUpdate&, const TableUpdate&) = default;
};

struct UpdateBatch {
  std::uint64_t seq = 0;            // its place in the feed; the numbers never restart
  std::vector<TableUpdate> tables;  // strictly increasing by id, so that a batch has one form

  friend bool operator==(const UpdateBatch&, const UpdateBatch&) = default;
};

// At least one table, strictly increasing by id; every part with at least one row, its rows
// strictly increasing, its data a whole multiple of 4 bytes for each of them, at most
// max_row_bytes. Errors: malformed_request.
[[nodiscard]] Result<void> check_well_formed(const UpdateBatch& batch);

// The canonical binary form, which an epoch id's chain hashes: `GYU1`, u64 seq, u32 tables, and for
// each 16 bytes of id, u32 rows, then u64 row and its bytes; little-endian. REQUIRES:
// check_well_formed().
[[nodiscard]] std::vector<std::byte> binary_form(const UpdateBatch& batch);

}  // namespace gyre
