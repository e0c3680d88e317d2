#include "harness/server/chunked_decoder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdio>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"

namespace gyre::server {
namespace {

std::string chunk(const std::string& data) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx", data.size());
  return size.data() + std::string("\r\n") + data + "\r\n";
}

// Of everything at once.
Result<std::string> decode(std::string_view input, std::size_t max_bytes = 1000) {
  ChunkedDecoder decoder(max_bytes);
  std::string body;
  auto used = decoder.decode(input, body);
  if (!used) return forward_error(used);
  if (!decoder.done()) return fail(ErrorCode::timed_out, "more is needed");
  return body;
}

RC_GTEST_PROP(ChunkedDecoder, PiecesOfAnySizeGiveTheSameBody, ()) {
  std::string body;
  std::string encoded;
  const auto chunks = *anywhere_in<int>(0, 6);
  for (int i = 0; i < chunks; ++i) {
    const std::string data(*anywhere_in<std::size_t>(1, 300), static_cast<char>('a' + i));
    body += data;
    encoded += chunk(data);
  }
  encoded += "0\r\n\r\n";
  const std::string next = "GET / HTTP/1.1";

  ChunkedDecoder decoder(2000);
  std::string decoded;
  std::string_view rest = encoded;
  std::size_t used_of_next = 0;
  const std::string both = encoded + next;
  rest = both;
  while (!decoder.done()) {
    RC_ASSERT(!rest.empty());
    const auto piece = rest.substr(0, *anywhere_in<std::size_t>(1, 50));
    const auto used = decoder.decode(piece, decoded);
    RC_ASSERT(used.has_value());
    rest.remove_prefix(*used);
    used_of_next = piece.size() - *used;
  }
  RC_ASSERT(decoded == body);
  RC_ASSERT(rest == next);  // nothing of the following request is taken
  RC_ASSERT(used_of_next <= next.size());
}

TEST(ChunkedDecoder, PassesOverExtensionsAndTrailers) {
  EXPECT_EQ(decode("3;a=b;c=\"d\"\r\nabc\r\n0;x\r\nTrailer: x\r\nOther: y\r\n\r\n"), "abc");
  EXPECT_EQ(decode("00000003\r\nabc\r\n0000\r\n\r\n"), "abc");
  EXPECT_EQ(decode("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789");
}

TEST(ChunkedDecoder, RefusesWhatIsNotWellFormed) {
  for (const std::string_view input :
       {"\r\n", "x\r\n", "-1\r\n", "+1\r\na\r\n", " 1\r\na\r\n", "0x1\r\na\r\n", "1 \r\na\r\n",
        "1\na\r\n", "1\r\r\n", "1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "1\r\na0\r\n\r\n",
        "000000001\r\na\r\n", "1;x\na\r\n", "0\r\nx\n\r\n", "0\r\n\rx", "0\r\n\n"}) {
    EXPECT_EQ(code_of(decode(input)), ErrorCode::malformed_request) << input;
  }
}

TEST(ChunkedDecoder, ContentIsBounded) {
  EXPECT_EQ(decode(chunk(std::string(10, 'a')) + "0\r\n\r\n", 10), std::string(10, 'a'));
  EXPECT_EQ(code_of(decode(chunk(std::string(11, 'a')), 10)), ErrorCode::request_too_large);
  EXPECT_EQ(code_of(decode(chunk(std::string(6, 'a')) + chunk(std::string(5, 'a')), 10)),
            ErrorCode::request_too_large);
  EXPECT_EQ(code_of(decode("ffffffff\r\n" + std::string(11, 'a'), 10)),
            ErrorCode::request_too_large);
}

TEST(ChunkedDecoder, WrappingIsBoundedToo) {
  EXPECT_EQ(code_of(decode("1;" + std::string(100'000, 'x'), 10)), ErrorCode::request_too_large);
  EXPECT_EQ(code_of(decode("0\r\nTrailer: " + std::string(100'000, 'x'), 10)),
            ErrorCode::request_too_large);
}

}  // namespace
}  // namespace gyre::server
