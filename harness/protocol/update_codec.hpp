// Batches of the update feed as they travel: POST /admin/updates in both of its forms, and the
// answer. docs/formats.md, "Update batches", states every byte.
//
// The decoders are strict and take input as hostile: what they allocate is bounded by the length of
// the input, and no message quotes any of it. A batch has one binary form; its JSON form may differ
// in white space, the order of members and escapes only.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "core/update_batch.hpp"
#include "harness/protocol/query_codec.hpp"

namespace gyre::protocol {

// Bounds of one batch.
struct UpdateLimits {
  std::uint32_t max_tables = 16;
  std::uint32_t max_rows = 65'536;  // over all tables
  std::size_t max_body_bytes = std::size_t{64} << 20U;
};

// The tables that the receiver knows, and their row_bytes. A value: what is known must not change
// while a batch is read, though epochs do.
using KnownTables = std::map<Bytes16, std::uint32_t>;

// REQUIRES: check_well_formed().
[[nodiscard]] std::string encode(const UpdateBatch& batch, Encoding encoding);

// A batch for which check_well_formed() holds, its tables in order. Rows and lengths are not held
// against any table's geometry.
//
// The binary form does not say how long a table's rows are: `known` does, and for tables that are
// not in it the length is taken that is the only one, the same for all of them, with which the
// bytes come out even. The JSON form does not need it.
//
// Errors: malformed_request, request_too_large (bytes, tables or rows), out_of_memory.
[[nodiscard]] Result<UpdateBatch> decode_update_batch(std::string_view body, Encoding encoding,
                                                      const UpdateLimits& limits,
                                                      const KnownTables& known);

// What a server answers to a batch, in JSON whatever the batch was in.
struct UpdateReply {
  std::uint64_t seq = 0;   // the batch's
  EpochId epoch;           // current right after the batch
  std::uint64_t rows = 0;  // of the batch, over all tables
  bool resent = false;     // the very same batch had been accepted before

  friend bool operator==(const UpdateReply&, const UpdateReply&) = default;
};

inline constexpr std::size_t max_update_reply_bytes = 4096;

[[nodiscard]] std::string encode_update_reply(const UpdateReply& reply);

// Errors: bad_answer, out_of_memory.
[[nodiscard]] Result<UpdateReply> decode_update_reply(std::string_view body);

}  // namespace gyre::protocol
