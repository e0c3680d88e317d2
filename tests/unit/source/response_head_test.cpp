#include "harness/source/response_head.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/code_of.hpp"

namespace gyre::source {
namespace {

Result<ResponseHead> parse(const std::string& headers,
                           const std::string& status_line = "HTTP/1.1 200 OK") {
  return parse_response_head(status_line + "\r\n" + headers + "\r\n");
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const auto length = parse("Content-Length: 12\r\n");
  ASSERT_TRUE(length);
  EXPECT_EQ(length->length, 12U);
  EXPECT_FALSE(length->chunked);
  const auto chunked = parse("TRANSFER-ENCODING:\tChunked \r\n");
  ASSERT_TRUE(chunked);
  EXPECT_TRUE(chunked->chunked);
  EXPECT_EQ(chunked->length, std::nullopt);
  const auto neither = parse("X: y\r\nContent-Encoding: identity\r\n", "HTTP/1.0 200 ");
  ASSERT_TRUE(neither);
  EXPECT_FALSE(neither->chunked);
  EXPECT_EQ(neither->length, std::nullopt);
  EXPECT_TRUE(parse("", "HTTP/1.1 200"));
}

TEST(ResponseHead, AnyOtherStatusIsAnError) {
  for (const char* status : {"404", "410"})
    EXPECT_EQ(code_of(parse("", "HTTP/1.1 " + std::string(status))), ErrorCode::not_found);
  for (const char* status : {"100", "101", "103", "201", "204", "206", "300", "304", "400", "401",
                             "403", "429", "500", "503", "599"}) {
    EXPECT_EQ(code_of(parse("", "HTTP/1.1 " + std::string(status) + " x")),
              ErrorCode::source_failed)
        << status;
  }
}

TEST(ResponseHead, RedirectsAreRefusedInWords) {
  const auto redirect = parse("Location: https://elsewhere.example/\r\n", "HTTP/1.1 302 Found");
  ASSERT_FALSE(redirect);
  EXPECT_EQ(redirect.error().code, ErrorCode::source_failed);
  EXPECT_NE(redirect.error().message.find("redirect"), std::string::npos);
  EXPECT_EQ(redirect.error().message.find("elsewhere"), std::string::npos);
}

TEST(ResponseHead, RefusesWhatIsNotWellFormed) {
  for (const char* line :
       {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 200OK",
        "HTTP/1.1  200 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/2 200 OK",
        "HTTP/1.2 200 OK", "http/1.1 200 OK", "HTTP/1.1\t200 OK", "ICY 200 OK", " HTTP/1.1 200 OK",
        "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 O\nK"}) {
    EXPECT_EQ(code_of(parse("", line)), ErrorCode::source_failed) << line;
  }
  for (const char* headers : {"X\r\n",
                              ": y\r\n",
                              "X : y\r\n",
                              " X: y\r\n",
                              "X: y\r\n folded\r\n",
                              "X: a\nY: b\r\n",
                              "X: a\rb\r\n",
                              "X: \x01\r\n",
                              "X y: z\r\n",
                              "Content-Length: \r\n",
                              "Content-Length: -1\r\n",
                              "Content-Length: +1\r\n",
                              "Content-Length: 1x\r\n",
                              "Content-Length: 1, 1\r\n",
                              "Content-Length: 0x10\r\n",
                              "Content-Length: 18446744073709551617\r\n",
                              "Content-Length: 1\r\nContent-Length: 1\r\n",
                              "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                              "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                              "Transfer-Encoding: gzip, chunked\r\n",
                              "Transfer-Encoding: identity\r\n",
                              "Transfer-Encoding: chunked, chunked\r\n"}) {
    EXPECT_EQ(code_of(parse(headers)), ErrorCode::source_failed) << headers;
  }
  EXPECT_EQ(code_of(parse("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK")),
            ErrorCode::source_failed);
  EXPECT_EQ(code_of(parse_response_head("HTTP/1.1 200 OK\r\nX: y\r\n")), ErrorCode::source_failed);
  EXPECT_EQ(code_of(parse_response_head("HTTP/1.1 200 OK\n\n")), ErrorCode::source_failed);
}

TEST(ResponseHead, RefusesEncodedBodies) {
  for (const char* coding : {"gzip", "br", "zstd", "deflate", "identity, gzip", ""}) {
    const auto head = parse("Content-Encoding: " + std::string(coding) + "\r\n");
    ASSERT_FALSE(head) << coding;
    EXPECT_EQ(head.error().code, ErrorCode::source_failed);
    EXPECT_NE(head.error().message.find("compressed"), std::string::npos);
  }
  EXPECT_FALSE(parse("Content-Encoding: gzip\r\nContent-Encoding: identity\r\n"));
}

TEST(ResponseHead, HasABoundedNumberOfLines) {
  std::string lines;
  for (std::size_t i = 0; i < max_head_lines; ++i) lines += "X: y\r\n";
  EXPECT_TRUE(parse(lines));
  EXPECT_EQ(code_of(parse(lines + "X: y\r\n")), ErrorCode::source_failed);
}

}  // namespace
}  // namespace gyre::source
