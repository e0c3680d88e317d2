#include "harness/protocol/query_codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_keys.hpp"

namespace gyre::protocol {
namespace {

constexpr std::uint32_t max_keys = 8;
constexpr Encoding encodings[] = {Encoding::json, Encoding::binary};

EpochId some_epoch() {
  return {Bytes8{std::byte{0xab}}, 42, Bytes8{std::byte{0}, std::byte{0xcd}}};
}

dpf::Key some_key(std::uint64_t seed = 1) {
  SeededRandom random(seed);
  return make_keys(1000, 7, random)[0];
}

std::string key_base64(std::uint64_t seed = 1) {
  return to_base64(dpf::serialize(some_key(seed)));
}

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string u32(std::uint32_t value) {
  std::vector<std::byte> bytes;
  append_little_endian(bytes, value);
  return as_text(bytes);
}

std::string binary_request(std::uint32_t count, std::string_view epoch, std::string_view keys,
                           std::string_view magic = "GYQ1") {
  return std::string(magic) + u32(count) + static_cast<char>(epoch.size()) + std::string(epoch) +
         std::string(keys);
}

std::optional<ErrorCode> json_code(const std::string& body) {
  return code_of(decode_query_request(body, Encoding::json, max_keys));
}
std::optional<ErrorCode> binary_code(const std::string& body) {
  return code_of(decode_query_request(body, Encoding::binary, max_keys));
}

RC_GTEST_PROP(QueryRequest, SurvivesTheJourneyInBothEncodings, ()) {
  QueryRequest request;
  if (*rc::gen::arbitrary<bool>()) {
    request.epoch = EpochId{some_epoch().base, *rc::gen::arbitrary<std::uint64_t>(), Bytes8{}};
  }
  const auto count = *anywhere_in<std::uint32_t>(1, max_keys + 1);
  for (std::uint32_t i = 0; i < count; ++i) request.keys.push_back(*any_key());
  for (const Encoding encoding : encodings) {
    const std::string body = encode(request, encoding);
    RC_ASSERT(body.size() <= max_request_bytes(max_keys));
    const auto decoded = decode_query_request(body, encoding, max_keys);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(decoded->keys == request.keys);
    const auto* const id = std::get_if<EpochId>(&request.epoch);
    const auto* const decoded_id = std::get_if<EpochId>(&decoded->epoch);
    RC_ASSERT((id == nullptr) == (decoded_id == nullptr));
    // RapidCheck evaluates both sides of what it is given.
    const bool same = id == nullptr || *id == *decoded_id;
    RC_ASSERT(same);
  }
}

RC_GTEST_PROP(QueryRequest, NoTruncationOfABinaryRequestIsARequest, ()) {
  QueryRequest request{CurrentEpoch{}, {*any_key(), *any_key()}};
  const std::string body = encode(request, Encoding::binary);
  const auto length = *anywhere_in<std::size_t>(0, body.size());
  RC_ASSERT(binary_code(body.substr(0, length)) == ErrorCode::malformed_request);
}

RC_GTEST_PROP(QueryRequest, ADamagedBodyIsDecodedOrRefusedButNothingElse, ()) {
  for (const Encoding encoding : encodings) {
    std::string body = encode(QueryRequest{CurrentEpoch{}, {*any_key()}}, encoding);
    const auto at = *anywhere_in<std::size_t>(0, body.size());
    body[at] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
    const auto decoded = decode_query_request(body, encoding, max_keys);
    if (decoded) {
      // What was understood has this one binary form.
      if (encoding == Encoding::binary) RC_ASSERT(encode(*decoded, encoding) == body);
    } else {
      const ErrorCode code = decoded.error().code;
      const bool documented =
          code == ErrorCode::malformed_request || code == ErrorCode::request_too_large;
      RC_ASSERT(documented);
    }
  }
}

TEST(QueryRequest, BinaryFormIsTheDocumentedOne) {
  const dpf::Key key = some_key();
  const QueryRequest request{some_epoch(), {key, key}};
  const std::string key_text = as_text(dpf::serialize(key));
  EXPECT_EQ(encode(request, Encoding::binary), std::string("GYQ1\2\0\0\0\x24", 9) +
                                                   "ab00000000000000-42-00cd000000000000" +
                                                   key_text + key_text);
}

TEST(QueryRequest, JsonFormIsTheDocumentedOne) {
  const QueryRequest request{CurrentEpoch{}, {some_key(1), some_key(2)}};
  EXPECT_EQ(encode(request, Encoding::json), R"({"epoch":"current","keys":[")" + key_base64(1) +
                                                 R"(",")" + key_base64(2) + R"("]})");
}

TEST(QueryRequest, JsonMayHaveItsMembersInAnyOrderAndWhiteSpace) {
  const auto decoded = decode_query_request(
      " {\n\t\"keys\" : [ \"" + key_base64() + "\" ] , \"\\u0065poch\":\"current\" } \n",
      Encoding::json, max_keys);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->keys.size(), 1U);
}

TEST(QueryRequest, NumberOfKeysIsBounded) {
  for (const Encoding encoding : encodings) {
    QueryRequest request{CurrentEpoch{}, {}};
    EXPECT_EQ(code_of(decode_query_request(encode(request, encoding), encoding, max_keys)),
              ErrorCode::malformed_request);
    request.keys.assign(max_keys, some_key());
    EXPECT_TRUE(decode_query_request(encode(request, encoding), encoding, max_keys));
    request.keys.push_back(some_key());
    EXPECT_EQ(code_of(decode_query_request(encode(request, encoding), encoding, max_keys)),
              ErrorCode::request_too_large);
  }
}

TEST(QueryRequest, MalformedJsonIsRefused) {
  const std::string key = key_base64();
  for (const std::string& body : std::vector<std::string>{
           "",
           " ",
           "null",
           "7",
           "\"current\"",
           "[]",
           "[{}]",
           "{}",
           "{",
           R"({"epoch":"current")",
           R"({"epoch":"current","keys")",
           R"({"epoch":"current"})",
           R"({"keys":[")" + key + R"("]})",
           R"({"epoch":"current","keys":")" + key + R"("})",
           R"({"epoch":"current","keys":null})",
           R"({"epoch":"current","keys":[7]})",
           R"({"epoch":"current","keys":[null]})",
           R"({"epoch":"current","keys":[true]})",
           R"({"epoch":"current","keys":[1e999]})",
           R"({"epoch":"current","keys":[-1]})",
           R"({"epoch":"current","keys":[{}]})",
           R"({"epoch":"current","keys":[[")" + key + R"("]]})",
           R"({"epoch":["current"],"keys":[")" + key + R"("]})",
           R"({"epoch":{"epoch":"current"},"keys":[")" + key + R"("]})",
           R"({"epoch":7,"keys":[")" + key + R"("]})",
           R"({"epoch":"newest","keys":[")" + key + R"("]})",
           R"({"epoch":"current","keys":[")" + key + R"("],"more":1})",
           R"({"epoch":"current","epoch":"current","keys":[")" + key + R"("]})",
           R"({"epoch":"current","keys":[")" + key + R"("],"keys":[")" + key + R"("]})",
           R"({"epoch":"current","keys":[")" + key + R"("]}})",
           R"({"epoch":"current","keys":[")" + key + R"("]} x)",
           R"({"epoch":"current","keys":[")" + key + R"("],})",
           R"({"epoch":"current","keys":["=)" + key + R"("]})",
           R"({"epoch":"current","keys":[")" + key + key + R"("]})",
           R"({"epoch":"current","keys":[""]})",
           "{\"epoch\":\"current\xff\",\"keys\":[\"" + key + "\"]}",
           R"({"epoch":"current\ud800","keys":[")" + key + R"("]})",
           std::string(100'000, '['),
           R"({"epoch":"current","keys":[")" + std::string(100'000, 'A') + R"("]})",
       }) {
    EXPECT_EQ(json_code(body), ErrorCode::malformed_request) << body.substr(0, 100);
  }
}

TEST(QueryRequest, MessagesNeverQuoteTheInput) {
  for (const std::string body :
       {R"({"epoch":"SECRET","keys":[]})", R"({"SECRET":1})", R"({"epoch": SECRET})",
        R"({"epoch":"current","keys":["SECRET"]})"}) {
    const auto decoded = decode_query_request(body, Encoding::json, max_keys);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().message.find("SECRET"), std::string::npos) << decoded.error().message;
  }
}

TEST(QueryRequest, MalformedBinaryIsRefused) {
  const std::string key = as_text(dpf::serialize(some_key()));
  const auto changed_key = [&](std::size_t at, char value) {
    std::string copy = key;
    copy[at] = value;
    return copy;
  };
  EXPECT_FALSE(binary_code(binary_request(1, "current", key)));
  for (const std::string& body : {
           std::string(),
           binary_request(1, "current", key, "GYQ2"),
           binary_request(1, "current", key, "GYA1"),
           binary_request(0, "current", ""),
           binary_request(2, "current", key),
           binary_request(1, "current", key + "x"),
           binary_request(1, "current", key + key),
           binary_request(1, "", key),
           binary_request(1, "Current", key),
           binary_request(1, "current ", key),
           binary_request(1, std::string_view("current\0", 8), key),
           binary_request(1, "current", key.substr(0, key.size() - 1)),
           binary_request(1, "current", changed_key(0, 'X')),  // magic
           binary_request(1, "current", changed_key(4, 2)),    // party
           binary_request(1, "current", changed_key(5, 49)),   // levels beyond the largest
           binary_request(1, "current", changed_key(5, 4)),    // more levels than bytes
           binary_request(1, "current", changed_key(5, 2)),    // fewer: bytes are left over
           binary_request(1, "current", changed_key(6, 1)),    // reserved
           binary_request(1, "current", changed_key(40, 4)),   // control bits
       }) {
    EXPECT_EQ(binary_code(body), ErrorCode::malformed_request);
  }
  EXPECT_EQ(binary_code(binary_request(0xffffffff, "current", key)), ErrorCode::request_too_large);
}

TEST(QueryRequest, ALargeCountAllocatesOnlyWhatTheInputJustifies) {
  // Four thousand million keys would take far more memory than any machine has.
  EXPECT_EQ(code_of(decode_query_request(binary_request(0xffffffff, "current", ""),
                                         Encoding::binary, 0xffffffff)),
            ErrorCode::malformed_request);
}

QueryResponse some_response(std::uint32_t count, std::uint32_t answer_bytes) {
  QueryResponse response{some_epoch(), "0123456789abcdef:7", answer_bytes, {}};
  for (std::size_t i = 0; i < std::size_t{count} * answer_bytes; ++i) {
    response.answers.push_back(static_cast<std::byte>(i * 31));
  }
  return response;
}

RC_GTEST_PROP(QueryResponse, SurvivesTheJourneyInBothEncodings, ()) {
  const auto count = *anywhere_in<std::uint32_t>(1, 20);
  const auto answer_bytes = *anywhere_in<std::uint32_t>(1, 50);
  const QueryResponse response = some_response(count, answer_bytes);
  for (const Encoding encoding : encodings) {
    const std::string body = encode(response, encoding);
    RC_ASSERT(body.size() <= max_response_bytes(count, answer_bytes));
    const auto decoded = decode_query_response(body, encoding, count, answer_bytes);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(*decoded == response);
    // Anything but what was asked for is refused.
    RC_ASSERT(code_of(decode_query_response(body, encoding, count + 1, answer_bytes)) ==
              ErrorCode::bad_answer);
    RC_ASSERT(code_of(decode_query_response(body, encoding, count - 1, answer_bytes)) ==
              ErrorCode::bad_answer);
    RC_ASSERT(code_of(decode_query_response(body, encoding, count, answer_bytes + 1)) ==
              ErrorCode::bad_answer);
    RC_ASSERT(code_of(decode_query_response(body + " x", encoding, count, answer_bytes)) ==
              ErrorCode::bad_answer);
    const auto length = *anywhere_in<std::size_t>(0, body.size());
    RC_ASSERT(code_of(decode_query_response(body.substr(0, length), encoding, count,
                                            answer_bytes)) == ErrorCode::bad_answer);
  }
}

TEST(QueryResponse, BinaryFormIsTheDocumentedOne) {
  EXPECT_EQ(encode(some_response(2, 4), Encoding::binary),
            std::string("GYA1\2\0\0\0\4\0\0\0\x24", 13) + "ab00000000000000-42-00cd000000000000" +
                "\x12"
                "0123456789abcdef:7" +
                std::string("\x00\x1f\x3e\x5d\x7c\x9b\xba\xd9", 8));
}

TEST(QueryResponse, JsonFormIsTheDocumentedOne) {
  EXPECT_EQ(encode(some_response(2, 4), Encoding::json),
            R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"0123456789abcdef:7",)"
            R"("answers":["AB8+XQ==","fJu62Q=="]})");
}

TEST(QueryResponse, AnswersOfOneShapeHaveOneLength) {
  QueryResponse other = some_response(3, 32);
  for (std::byte& b : other.answers) b = std::byte{0xff};
  for (const Encoding encoding : encodings) {
    EXPECT_EQ(encode(some_response(3, 32), encoding).size(), encode(other, encoding).size());
  }
}

TEST(QueryResponse, AHostileServersAnswerIsRefused) {
  for (
      const std::string body : {
          R"({"epoch":"x","generation":"a:1","answers":["AAAAAA=="]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"<script>","answers":["AAAAAA=="]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","answers":["AAAAAA=="]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"a:1","answers":["AAAA"]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"a:1","answers":[]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"a:1","answers":["AAAAAA==","AAAAAA=="]})",
          R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"a:1","answers":["AAAAAB=="]})",
      }) {
    EXPECT_EQ(code_of(decode_query_response(body, Encoding::json, 1, 4)), ErrorCode::bad_answer)
        << body;
  }
  EXPECT_TRUE(decode_query_response(
      R"({"epoch":"ab00000000000000-42-00cd000000000000","generation":"a:1","answers":["AAAAAA=="]})",
      Encoding::json, 1, 4));
}

TEST(Generation, HasABootAndACount) {
  for (const auto* text : {"a:1", "0123456789abcdef:18446744073709551615", "boot-1:0"}) {
    EXPECT_TRUE(is_generation(text)) << text;
  }
  for (const auto* text :
       {"", ":", "a:", ":1", "a", "a:x", "a b:1", "a:1:2", "a:-1", "a:184467440737095516150"}) {
    EXPECT_FALSE(is_generation(text)) << text;
  }
  EXPECT_FALSE(is_generation(std::string(65, 'a') + ":1"));
}

}  // namespace
}  // namespace gyre::protocol
