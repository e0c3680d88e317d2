#include "harness/protocol/update_codec.hpp"

#include <new>
#include <nlohmann/json.hpp>

#include "harness/protocol/json.hpp"
#include "harness/protocol/update_binary.hpp"
#include "harness/protocol/update_json.hpp"

namespace gyre::protocol {

std::string encode(const UpdateBatch& batch, Encoding encoding) {
  if (encoding == Encoding::json) return encode_json(batch);
  const std::vector<std::byte> bytes = binary_form(batch);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<UpdateBatch> decode_update_batch(std::string_view body, Encoding encoding,
                                        const UpdateLimits& limits, const KnownTables& known) try {
  if (body.size() > limits.max_body_bytes) {
    return fail(ErrorCode::request_too_large,
                "a batch may have at most " + std::to_string(limits.max_body_bytes) + " bytes");
  }
  auto batch = encoding == Encoding::json ? decode_batch_json(body, limits)
                                          : decode_batch_binary(body, limits, known);
  if (!batch) return batch;
  auto well_formed = check_well_formed(*batch);
  if (!well_formed) return forward_error(well_formed);
  return batch;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a batch");
}

std::string encode_update_reply(const UpdateReply& reply) {
  return R"({"seq":)" + std::to_string(reply.seq) + R"(,"epoch":")" + reply.epoch.text() +
         R"(","rows":)" + std::to_string(reply.rows) + R"(,"resent":)" +
         (reply.resent ? "true" : "false") + "}";
}

Result<UpdateReply> decode_update_reply(std::string_view body) try {
  const auto bad = [] {
    return fail(ErrorCode::bad_answer,
                "the server's answer to a batch is not of the documented form");
  };
  auto document = parse_json(body, max_update_reply_bytes);
  if (!document || !require_members(*document, {"seq", "epoch", "rows", "resent"})) return bad();
  const auto seq = unsigned_member(*document, "seq");
  const auto rows = unsigned_member(*document, "rows");
  const auto text = string_member(*document, "epoch", EpochId::max_text_bytes);
  const auto& resent = (*document)["resent"];
  if (!seq || !rows || !text || !resent.is_boolean()) return bad();
  const auto epoch = EpochId::parse(*text);
  if (!epoch) return bad();
  return UpdateReply{*seq, *epoch, *rows, resent.get<bool>()};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read an answer");
}

}  // namespace gyre::protocol
