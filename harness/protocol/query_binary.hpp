// The binary form of queries and answers, GYQ1 and GYA1. Use query_codec.hpp; its contracts hold
// here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/protocol/query_codec.hpp"

namespace gyre::protocol {

[[nodiscard]] std::string encode_binary(const QueryRequest& request);
[[nodiscard]] std::string encode_binary(const QueryResponse& response);
// What stands before the answers, which follow as they are.
[[nodiscard]] std::string encode_binary_front(const QueryResponse& response);
[[nodiscard]] Result<QueryRequest> decode_request_binary(std::string_view body,
                                                         std::uint32_t max_keys);
[[nodiscard]] Result<QueryResponse> decode_response_binary(std::string_view body,
                                                           std::uint32_t count,
                                                           std::uint32_t answer_bytes);

}  // namespace gyre::protocol
