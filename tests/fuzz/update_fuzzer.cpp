// Batches of the update feed in both encodings, and a server's reply. The first byte chooses which.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/protocol/update_codec.hpp"
#include "tests/fuzz/require.hpp"

namespace gyre::protocol {
namespace {

// Tables 1, 3, 5, …, 15: 4 to 32 bytes a row.
KnownTables some_tables() {
  KnownTables tables;
  for (std::uint32_t i = 0; i < 8; ++i) {
    Bytes16 id{};
    id.back() = static_cast<std::byte>(2 * i + 1);
    tables.emplace(id, 4 + 4 * i);
  }
  return tables;
}
const KnownTables known = some_tables();

void fuzz_batch(std::string_view body, Encoding encoding) {
  const UpdateLimits limits{4, 64, 4096};
  const auto batch = decode_update_batch(body, encoding, limits, known);
  if (!batch) {
    fuzz::require(batch.error().code == ErrorCode::malformed_request ||
                  batch.error().code == ErrorCode::request_too_large);
    return;
  }
  fuzz::require(check_well_formed(*batch).has_value());
  std::size_t rows = 0;
  for (const TableUpdate& part : batch->tables) rows += part.rows.size();
  fuzz::require(batch->tables.size() <= limits.max_tables && rows <= limits.max_rows);
  const std::string again = encode(*batch, encoding);
  if (encoding == Encoding::binary) fuzz::require(again == body);
  fuzz::require(decode_update_batch(again, encoding, {}, known) == *batch);
  // Whatever the form it came in, the batch has the other one too.
  fuzz::require(decode_update_batch(encode(*batch, Encoding::json), Encoding::json, {}, known) ==
                *batch);
}

void fuzz_reply(std::string_view body) {
  const auto reply = decode_update_reply(body);
  if (!reply) return fuzz::require(reply.error().code == ErrorCode::bad_answer);
  fuzz::require(decode_update_reply(encode_update_reply(*reply)) == *reply);
}

}  // namespace
}  // namespace gyre::protocol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gyre::protocol;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'u':
      fuzz_batch(body, Encoding::binary);
      break;
    case 'U':
      fuzz_batch(body, Encoding::json);
      break;
    case 'R':
      fuzz_reply(body);
      break;
    default:
      break;
  }
  return 0;
}
