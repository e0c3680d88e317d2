// Queries and answers as they travel: POST /query and POST /query/page in both of their forms.
// docs/http.md, "Queries and answers", states every byte.
//
// All decoders are strict and take input as hostile: what they allocate is bounded by the length of
// the input, and no message quotes any of it. One value has one binary form; the JSON form may
// differ in white space, the order of members and escapes only: a member that is unknown or occurs
// twice is refused, because a server that overlooks a misspelt "epoch" would answer another
// question than was asked.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dpf/key.hpp"
#include "core/epoch_id.hpp"
#include "core/epoch_table.hpp"
#include "core/error.hpp"

namespace gyre::protocol {

// Of a body. An answer is in its query's encoding.
enum class Encoding : std::uint8_t { json, binary };

// "application/json", "application/octet-stream".
[[nodiscard]] std::string_view media_type(Encoding encoding) noexcept;

// The text of a generation: "<boot>:<n>", boot of 1 to 64 letters, digits and hyphens, n decimal.
inline constexpr std::size_t max_generation_bytes = 64 + 1 + 20;
[[nodiscard]] bool is_generation(std::string_view text) noexcept;

// What a client asks of one server. Holds secrets of the client's.
struct QueryRequest {
  EpochChoice epoch;
  std::vector<dpf::Key> keys;
};

// What a server answers, in the order of the keys.
struct QueryResponse {
  EpochId epoch;           // the one epoch that all answers are of
  std::string generation;  // under which this server published it
  std::uint32_t answer_bytes = 0;
  std::vector<std::byte> answers;  // a multiple of answer_bytes

  [[nodiscard]] std::size_t count() const noexcept {
    return answer_bytes == 0 ? 0 : answers.size() / answer_bytes;
  }
  friend bool operator==(const QueryResponse&, const QueryResponse&) = default;
};

// The longest body that can hold a request of so many keys, in either encoding, with some room for
// white space in JSON. Longer ones need not be read.
[[nodiscard]] std::size_t max_request_bytes(std::uint32_t max_keys) noexcept;

// The longest body that can hold a response of so many answers; for a client's bound. REQUIRES: the
// product fits, which any geometry's answers and a number of keys of 32 bits do.
[[nodiscard]] std::size_t max_response_bytes(std::uint32_t count,
                                             std::uint32_t answer_bytes) noexcept;

// REQUIRES: at least one key.
[[nodiscard]] std::string encode(const QueryRequest& request, Encoding encoding);

// Keys are parsed, not checked against a party or table. Errors: malformed_request (form, or no
// key), request_too_large (more than max_keys keys), out_of_memory.
[[nodiscard]] Result<QueryRequest> decode_query_request(std::string_view body, Encoding encoding,
                                                        std::uint32_t max_keys);

// REQUIRES: answer_bytes > 0 and answers a positive multiple of it.
[[nodiscard]] std::string encode(const QueryResponse& response, Encoding encoding);

// A client knows how many answers of which length it must get. Errors: bad_answer for anything
// else, out_of_memory.
[[nodiscard]] Result<QueryResponse> decode_query_response(std::string_view body, Encoding encoding,
                                                          std::uint32_t count,
                                                          std::uint32_t answer_bytes);

}  // namespace gyre::protocol
