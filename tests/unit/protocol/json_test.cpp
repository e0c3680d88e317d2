#include "harness/protocol/json.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/code_of.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

constexpr std::size_t plenty = 1U << 20U;

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(ParseJson, ReadsADocument) {
  const auto document = parse_json(R"( {"a": [1, "x", null], "b": {"a": true}} )", plenty);
  ASSERT_TRUE(document);
  EXPECT_EQ(*document, json::parse(R"({"a": [1, "x", null], "b": {"a": true}})"));
}

TEST(ParseJson, RefusesWhatIsNoJsonWithoutRepeatingIt) {
  for (const std::string_view text :
       {"", "SECRET", "{", "{}SECRET", "[1,]", "{\"SECRET\"}", "\"SECRET", "'SECRET'", "01", "nul",
        "\"SECRET\xff\"", "[1 2]", "{\"a\":1,}", "1e", "\"\\uD800\""}) {
    const auto document = parse_json(text, plenty);
    ASSERT_EQ(code_of(document), ErrorCode::malformed_request) << text;
    EXPECT_EQ(document.error().message.find("SECRET"), std::string::npos);
  }
}

TEST(ParseJson, RefusesAMemberNamedTwice) {
  EXPECT_EQ(code_of(parse_json(R"({"a": 1, "b": 2, "a": 1})", plenty)),
            ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json(R"([{"x": {"a": 1, "a": 2}}])", plenty)),
            ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json(R"({"a": {"q": 1}, "a": {"q": 1}})", plenty)),
            ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json("{\"a\": 1, \"\\u0061\": 2}", plenty)),
            ErrorCode::malformed_request);
  // The same name in different objects is fine.
  EXPECT_TRUE(parse_json(R"([{"a": {"a": 1}}, {"a": 2}])", plenty));
}

TEST(ParseJson, BoundsDepth) {
  EXPECT_TRUE(parse_json(nested(max_json_depth), plenty));
  EXPECT_EQ(code_of(parse_json(nested(max_json_depth + 1), plenty)), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json(nested(200'000), plenty)), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json(std::string(200'000, '['), plenty)), ErrorCode::malformed_request);
}

TEST(ParseJson, BoundsValues) {
  EXPECT_TRUE(parse_json("[1,2,3]", plenty, 4));
  EXPECT_EQ(code_of(parse_json("[1,2,3]", plenty, 3)), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(parse_json(R"({"a":[],"b":{}})", plenty, 2)), ErrorCode::malformed_request);
}

TEST(ParseJson, BoundsBytes) {
  EXPECT_TRUE(parse_json("[10]", 4));
  EXPECT_EQ(code_of(parse_json("[10]", 3)), ErrorCode::request_too_large);
}

TEST(RequireMembers, WantsAllAndNoOther) {
  EXPECT_TRUE(require_members(json{{"a", 1}, {"b", 2}}, {"a", "b"}));
  EXPECT_TRUE(require_members(json{{"a", 1}, {"b", 2}}, {"a"}, {"b", "c"}));
  EXPECT_EQ(code_of(require_members(json{{"a", 1}}, {"a", "b"})), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(require_members(json::array(), {})), ErrorCode::malformed_request);
  auto surplus = require_members(json{{"a", 1}, {"SECRET", 2}}, {"a"});
  ASSERT_EQ(code_of(surplus), ErrorCode::malformed_request);
  EXPECT_EQ(surplus.error().message.find("SECRET"), std::string::npos);
}

TEST(UnsignedMember, TakesIntegersWithinTheBoundOnly) {
  const json object = json::parse(
      R"({"zero": 0, "most": 18446744073709551615, "more": 18446744073709551616, "negative": -1,
          "negative_zero": -0, "real": 1.0, "text": "1", "bool": true, "null": null})");
  EXPECT_EQ(unsigned_member(object, "zero"), 0U);
  EXPECT_EQ(unsigned_member(object, "most"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(code_of(unsigned_member(object, "most", 5)), ErrorCode::malformed_request);
  for (const std::string_view member :
       {"more", "negative", "negative_zero", "real", "text", "bool", "null", "missing"}) {
    EXPECT_EQ(code_of(unsigned_member(object, member)), ErrorCode::malformed_request) << member;
  }
}

TEST(HexMember, TakesLowerCaseOfTheRightLengthOnly) {
  const json object = {{"right", "00ff"},  {"upper", "00FF"}, {"short", "00f"},
                       {"long", "00ff00"}, {"other", "00fg"}, {"number", 1}};
  const auto right = hex_member<2>(object, "right");
  ASSERT_TRUE(right);
  EXPECT_EQ(*right, (std::array{std::byte{0}, std::byte{255}}));
  for (const std::string_view member : {"upper", "short", "long", "other", "number", "missing"}) {
    EXPECT_EQ(code_of(hex_member<2>(object, member)), ErrorCode::malformed_request) << member;
  }
}

TEST(StringMember, BoundsItsLength) {
  const json object = {{"text", "abc"}, {"number", 1}};
  EXPECT_EQ(string_member(object, "text", 3), "abc");
  EXPECT_EQ(code_of(string_member(object, "text", 2)), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(string_member(object, "number", 9)), ErrorCode::malformed_request);
}

}  // namespace
}  // namespace gyre::protocol
