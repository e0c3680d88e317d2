// The JSON form of queries and answers. Use query_codec.hpp; its contracts hold here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/protocol/query_codec.hpp"

namespace gyre::protocol {

[[nodiscard]] std::string encode_json(const QueryRequest& request);
[[nodiscard]] std::string encode_json(const QueryResponse& response);
[[nodiscard]] Result<QueryRequest> decode_request_json(std::string_view body,
                                                       std::uint32_t max_keys);
[[nodiscard]] Result<QueryResponse> decode_response_json(std::string_view body, std::uint32_t count,
                                                         std::uint32_t answer_bytes);

}  // namespace gyre::protocol
