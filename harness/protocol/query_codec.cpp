#include "harness/protocol/query_codec.hpp"

#include <algorithm>
#include <new>

#include "harness/protocol/base64.hpp"
#include "harness/protocol/query_binary.hpp"
#include "harness/protocol/query_json.hpp"

namespace gyre::protocol {
namespace {

// Members' names, quotes, colons, brackets; and white space that pretty printers add, per key and
// once.
constexpr std::size_t json_envelope_bytes = 4096;
constexpr std::size_t json_bytes_around_item = 32;

}  // namespace

std::string_view media_type(Encoding encoding) noexcept {
  return encoding == Encoding::json ? "application/json" : "application/octet-stream";
}

bool is_generation(std::string_view text) noexcept {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_boot = [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 64) return false;
  const std::string_view boot = text.substr(0, colon);
  const std::string_view count = text.substr(colon + 1);
  return std::all_of(boot.begin(), boot.end(), is_boot) && !count.empty() && count.size() <= 20 &&
         std::all_of(count.begin(), count.end(), is_digit);
}

std::size_t max_request_bytes(std::uint32_t max_keys) noexcept {
  const std::size_t item =
      base64_characters(dpf::wire_bytes(dpf::max_levels)) + json_bytes_around_item;
  return json_envelope_bytes + item * max_keys;
}

std::size_t max_response_bytes(std::uint32_t count, std::uint32_t answer_bytes) noexcept {
  return json_envelope_bytes + (base64_characters(answer_bytes) + json_bytes_around_item) * count;
}

std::string encode(const QueryRequest& request, Encoding encoding) {
  return encoding == Encoding::json ? encode_json(request) : encode_binary(request);
}

std::string encode(const QueryResponse& response, Encoding encoding) {
  return encoding == Encoding::json ? encode_json(response) : encode_binary(response);
}

Result<QueryRequest> decode_query_request(std::string_view body, Encoding encoding,
                                          std::uint32_t max_keys) try {
  return encoding == Encoding::json ? decode_request_json(body, max_keys)
                                    : decode_request_binary(body, max_keys);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a query");
}

Result<QueryResponse> decode_query_response(std::string_view body, Encoding encoding,
                                            std::uint32_t count, std::uint32_t answer_bytes) try {
  return encoding == Encoding::json ? decode_response_json(body, count, answer_bytes)
                                    : decode_response_binary(body, count, answer_bytes);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read an answer");
}

}  // namespace gyre::protocol
