#include "harness/server/request_head.hpp"

#include <gtest/gtest.h>

#include "tests/support/code_of.hpp"

namespace gyre::server {
namespace {

std::string head(std::string_view request_line, std::string_view headers = "") {
  return std::string(request_line) + "\r\nHost: a\r\n" + std::string(headers) + "\r\n";
}

std::optional<ErrorCode> code(const std::string& text) {
  return code_of(parse_request_head(text));
}

TEST(RequestHead, ReadsAnOrdinaryRequest) {
  const auto parsed = parse_request_head(
      "POST /query?x=1 HTTP/1.1\r\nHost: example:8080\r\nContent-Type:application/json \r\n"
      "CONTENT-LENGTH: \t 42\r\nX-Empty:\r\n\r\n");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->method, "POST");
  EXPECT_EQ(parsed->path, "/query");
  EXPECT_EQ(parsed->content_length, 42U);
  EXPECT_FALSE(parsed->chunked);
  EXPECT_FALSE(parsed->close);
  EXPECT_FALSE(parsed->expects_continue);
  EXPECT_TRUE(parsed->has_body());
  ASSERT_NE(parsed->find("content-type"), nullptr);
  EXPECT_EQ(*parsed->find("content-type"), "application/json");
  EXPECT_EQ(*parsed->find("x-empty"), "");
  EXPECT_EQ(parsed->find("accept"), nullptr);
}

TEST(RequestHead, ReadsWhatHeadersSayAboutTheConnection) {
  EXPECT_TRUE(
      parse_request_head(head("GET / HTTP/1.1", "Connection: keep-alive, Close\r\n"))->close);
  EXPECT_TRUE(parse_request_head("GET / HTTP/1.0\r\n\r\n")->close);
  EXPECT_FALSE(parse_request_head(head("GET / HTTP/1.1", "Connection: closed\r\n"))->close);
  EXPECT_TRUE(
      parse_request_head(head("POST / HTTP/1.1", "Expect: 100-Continue\r\n"))->expects_continue);
  const auto chunked =
      parse_request_head(head("POST / HTTP/1.1", "Transfer-Encoding: Chunked\r\n"));
  EXPECT_TRUE(chunked->chunked);
  EXPECT_TRUE(chunked->has_body());
  EXPECT_FALSE(parse_request_head(head("POST / HTTP/1.1", "Content-Length: 0\r\n"))->has_body());
}

TEST(RequestHead, RefusesOtherRequestLines) {
  for (const std::string_view line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
        "GET / / HTTP/1.1", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1.12", "GET x HTTP/1.1",
        "GET * HTTP/1.1", "GET http://a/ HTTP/1.1", "G@T / HTTP/1.1", "GET /\x7f HTTP/1.1",
        "GET /\xc3\xa4 HTTP/1.1", "GET /\t HTTP/1.1", "GET /a\nb HTTP/1.1", "PRI * HTTP/2.0"}) {
    EXPECT_EQ(code(head(line)), ErrorCode::malformed_request) << line;
  }
  EXPECT_EQ(code(head("A" + std::string(32, 'A') + " / HTTP/1.1")), ErrorCode::malformed_request);
  EXPECT_EQ(code(head("GET /" + std::string(2048, 'a') + " HTTP/1.1")),
            ErrorCode::request_too_large);
}

TEST(RequestHead, RefusesHeadersThatTwoReadersCouldTakeDifferently) {
  for (const std::string_view headers : {
           "Content-Length: 1\r\nContent-Length: 1\r\n",
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding:\r\n",
           "Content-Length: +1\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 1, 1\r\n",
           "Content-Length: 0x1\r\n",
           "Content-Length: 1 1\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Content-Length : 1\r\n",
           " Content-Length: 1\r\n",
           "X: 1\r\n folded\r\n",
           "X: a\rb\r\n",
           "X: a\nContent-Length: 1\r\n",
           "X\r\n",
           ": x\r\n",
           "X y: x\r\n",
           "X: \x01\r\n",
           "X: \x7f\r\n",
           "Host: b\r\n",
           "Expect: 200-ok\r\n",
       }) {
    EXPECT_EQ(code(head("POST / HTTP/1.1", headers)), ErrorCode::malformed_request) << headers;
  }
  using namespace std::string_literals;
  const std::string with_zero = "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"s;
  EXPECT_EQ(code(with_zero), ErrorCode::malformed_request);
  EXPECT_EQ(code("GET / HTTP/1.1\r\n\r\n"), ErrorCode::malformed_request);  // no Host
  EXPECT_EQ(code("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ErrorCode::malformed_request);
}

TEST(RequestHead, RefusesWhatDoesNotEndWithAnEmptyLine) {
  const std::string whole = head("GET / HTTP/1.1", "X: y\r\n");
  EXPECT_FALSE(code(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(code(whole.substr(0, length)), ErrorCode::malformed_request) << length;
  }
  EXPECT_EQ(code(whole + "x"), ErrorCode::malformed_request);
}

TEST(RequestHead, NumberOfHeaderLinesIsBounded) {
  std::string headers;
  for (std::size_t i = 1; i < RequestHead::max_header_lines; ++i)
    headers += "X: y\r\n";  // and Host
  EXPECT_FALSE(code(head("GET / HTTP/1.1", headers)));
  EXPECT_EQ(code(head("GET / HTTP/1.1", headers + "X: y\r\n")), ErrorCode::request_too_large);
}

TEST(MediaType, IsWhatStandsBeforeItsParameters) {
  EXPECT_EQ(media_type_of("application/json"), "application/json");
  EXPECT_EQ(media_type_of("Application/JSON ; charset=utf-8"), "application/json");
  EXPECT_EQ(media_type_of(""), "");
}

}  // namespace
}  // namespace gyre::server
