#include "harness/protocol/update_binary.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "core/bytes.hpp"

namespace gyre::protocol {
namespace {

constexpr std::string_view magic = "GYU1";
constexpr std::size_t row_number_bytes = sizeof(std::uint64_t);

tl::unexpected<Error> malformed(const char* sentence) {
  return fail(ErrorCode::malformed_request, sentence);
}

// Where one table's rows are in the body.
struct Part {
  Bytes16 table{};
  std::uint32_t rows = 0;
  std::uint32_t row_bytes = 0;
  std::size_t begin = 0;
};

enum class Fit { fits, does_not_fit, needs_a_length };

// Finds the parts that make up exactly the body, if the rows of tables that nobody knows are so
// long. `unknown_row_bytes` 0: needs_a_length at the first such table. Reads the tables' heads
// only, so that many lengths can be tried.
Fit find_parts(std::span<const std::byte> body, std::uint32_t tables, const KnownTables& known,
               std::uint32_t unknown_row_bytes, std::vector<Part>& parts) {
  parts.clear();
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < tables; ++i) {
    Part part;
    if (body.size() - at < part.table.size() + sizeof part.rows) return Fit::does_not_fit;
    std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(at), part.table.size(),
                part.table.begin());
    at += part.table.size();
    part.rows = load_little_endian<std::uint32_t>(&body[at]);
    at += sizeof part.rows;
    part.begin = at;
    if (part.rows == 0 || (!parts.empty() && !(parts.back().table < part.table))) {
      return Fit::does_not_fit;
    }
    const auto found = known.find(part.table);
    part.row_bytes = found == known.end() ? unknown_row_bytes : found->second;
    if (part.row_bytes == 0) return Fit::needs_a_length;
    // Below 2^32 · 2^17: no overflow.
    const std::uint64_t bytes = std::uint64_t{part.rows} * (row_number_bytes + part.row_bytes);
    if (bytes > body.size() - at) return Fit::does_not_fit;
    at += static_cast<std::size_t>(bytes);
    parts.push_back(part);
  }
  return at == body.size() ? Fit::fits : Fit::does_not_fit;
}

TableUpdate read_part(std::span<const std::byte> body, const Part& part) {
  TableUpdate update;
  update.table = part.table;
  update.rows.reserve(part.rows);
  update.data.reserve(std::size_t{part.rows} * part.row_bytes);
  std::span<const std::byte> rest = body.subspan(part.begin);
  for (std::uint32_t i = 0; i < part.rows; ++i) {
    update.rows.push_back(load_little_endian<std::uint64_t>(rest.data()));
    const auto row = rest.subspan(row_number_bytes, part.row_bytes);
    update.data.insert(update.data.end(), row.begin(), row.end());
    rest = rest.subspan(row_number_bytes + part.row_bytes);
  }
  return update;
}

}  // namespace

Result<UpdateBatch> decode_batch_binary(std::string_view text, const UpdateLimits& limits,
                                        const KnownTables& known) {
  std::span<const std::byte> body = as_bytes(text);
  UpdateBatch batch;
  if (!text.starts_with(magic)) return malformed("a binary batch must begin with GYU1");
  body = body.subspan(magic.size());
  if (body.size() < sizeof(std::uint64_t) + sizeof(std::uint32_t)) {
    return malformed("the batch ends before its first table");
  }
  batch.seq = load_little_endian<std::uint64_t>(body.data());
  body = body.subspan(sizeof(std::uint64_t));
  const auto tables = load_little_endian<std::uint32_t>(body.data());
  body = body.subspan(sizeof(std::uint32_t));
  if (tables == 0) return malformed("a batch must have rows for at least one table");
  if (tables > limits.max_tables) {
    return fail(ErrorCode::request_too_large, "a batch may have rows for at most " +
                                                  std::to_string(limits.max_tables) + " tables");
  }

  std::vector<Part> parts;
  parts.reserve(tables);
  const Fit fit = find_parts(body, tables, known, 0, parts);
  if (fit == Fit::does_not_fit) {
    return malformed(
        "the batch must have tables that strictly increase by their ids, each with at least one "
        "row of the table's row_bytes bytes, and nothing after them");
  }
  if (fit == Fit::needs_a_length) {
    std::vector<Part> candidate;
    candidate.reserve(tables);
    std::uint32_t fitting = 0;
    for (std::uint32_t row_bytes = Geometry::min_row_bytes; row_bytes <= Geometry::max_row_bytes;
         row_bytes += 4) {
      if (find_parts(body, tables, known, row_bytes, candidate) != Fit::fits) continue;
      ++fitting;
      parts.swap(candidate);
    }
    if (fitting != 1) {
      return malformed(
          "the batch is for a table that is not known here, and its bytes do not tell how long "
          "that "
          "table's rows are; send it in JSON");
    }
  }

  std::uint64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  if (rows > limits.max_rows) {
    return fail(ErrorCode::request_too_large,
                "a batch may have at most " + std::to_string(limits.max_rows) + " rows");
  }
  batch.tables.reserve(parts.size());
  for (const Part& part : parts) batch.tables.push_back(read_part(body, part));
  return batch;
}

}  // namespace gyre::protocol
