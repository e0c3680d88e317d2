// Everything that is decoded off the wire: queries and answers in both encodings, the epoch
// document, problems and base64. The first byte chooses which.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/protocol/base64.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "tests/fuzz/require.hpp"

namespace gyre::protocol {
namespace {

void fuzz_request(std::string_view body, Encoding encoding) {
  constexpr std::uint32_t max_keys = 16;
  const auto request = decode_query_request(body, encoding, max_keys);
  if (!request) {
    fuzz::require(request.error().code == ErrorCode::malformed_request ||
                  request.error().code == ErrorCode::request_too_large);
    return;
  }
  fuzz::require(!request->keys.empty() && request->keys.size() <= max_keys);
  const std::string again = encode(*request, encoding);
  if (encoding == Encoding::binary) fuzz::require(again == body);
  const auto twice = decode_query_request(again, encoding, max_keys);
  fuzz::require(twice && twice->keys == request->keys);
}

void fuzz_response(std::string_view body, Encoding encoding) {
  constexpr std::uint32_t count = 2;
  constexpr std::uint32_t answer_bytes = 4;
  const auto response = decode_query_response(body, encoding, count, answer_bytes);
  if (!response) return fuzz::require(response.error().code == ErrorCode::bad_answer);
  fuzz::require(response->count() == count && response->answer_bytes == answer_bytes);
  fuzz::require(decode_query_response(encode(*response, encoding), encoding, count, answer_bytes) ==
                *response);
}

void fuzz_epoch_document(std::string_view body) {
  const auto document = decode_epoch_document(body);
  if (!document) return fuzz::require(document.error().code == ErrorCode::bad_answer);
  fuzz::require(decode_epoch_document(encode_epoch_document(*document)) == *document);
  fuzz::require(!identity_text(document->current).empty());
}

void fuzz_problem(std::string_view body) {
  const auto problem = decode_problem(body);
  if (!problem) return fuzz::require(problem.error().code == ErrorCode::bad_answer);
  for (const char c : problem->detail) fuzz::require(c >= ' ' && c <= '~');
}

void fuzz_base64(std::string_view text) {
  const auto bytes = from_base64(text);
  if (bytes) fuzz::require(to_base64(*bytes) == text);
}

}  // namespace
}  // namespace gyre::protocol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gyre::protocol;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'q':
      fuzz_request(body, Encoding::binary);
      break;
    case 'Q':
      fuzz_request(body, Encoding::json);
      break;
    case 'a':
      fuzz_response(body, Encoding::binary);
      break;
    case 'A':
      fuzz_response(body, Encoding::json);
      break;
    case 'E':
      fuzz_epoch_document(body);
      break;
    case 'P':
      fuzz_problem(body);
      break;
    case 'B':
      fuzz_base64(body);
      break;
    default:
      break;
  }
  return 0;
}
