#include "harness/protocol/base64.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/bytes.hpp"
#include "tests/support/code_of.hpp"

namespace gyre::protocol {
namespace {

std::string encoded(std::string_view text) {
  return to_base64(as_bytes(text));
}

// RFC 4648, section 10.
TEST(Base64, EncodesTheTestVectorsOfTheRfc) {
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
}

TEST(Base64, AppendsBehindWhatIsThere) {
  std::string text = "before ";
  append_base64(text, as_bytes("foo"));
  EXPECT_EQ(text, "before Zm9v");
}

RC_GTEST_PROP(Base64, DecodingIsTheInverseOfEncoding, (const std::vector<std::uint8_t>& numbers)) {
  std::vector<std::byte> bytes;
  for (const std::uint8_t number : numbers) bytes.push_back(std::byte{number});
  const std::string text = to_base64(bytes);
  RC_ASSERT(text.size() == base64_characters(bytes.size()));
  const auto decoded = from_base64(text);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == bytes);
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zg== ",
                                      " Zg==", "Zm\n9v", "Zm9v=", "====", "Zm-_"}) {
    EXPECT_EQ(code_of(from_base64(text)), ErrorCode::malformed_request) << text;
  }
  EXPECT_EQ(code_of(from_base64(std::string_view("Zm9\0", 4))), ErrorCode::malformed_request);
}

TEST(Base64, EveryTextThatIsAcceptedIsTheOneOfItsBytes) {
  for (const std::string quad : {"Zm9v", "Zm8=", "Zg=="}) {
    for (std::size_t at = 0; at < quad.size(); ++at) {
      for (int value = 0; value < 256; ++value) {
        std::string text = quad;
        text[at] = static_cast<char>(value);
        const auto bytes = from_base64(text);
        if (bytes) {
          EXPECT_EQ(to_base64(*bytes), text) << "byte " << value << " at " << at;
        }
      }
    }
  }
}

}  // namespace
}  // namespace gyre::protocol
