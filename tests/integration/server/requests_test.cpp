// What the public listener answers to requests, right and wrong.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "tests/integration/server/running_server.hpp"
#include "tests/support/test_device.hpp"

namespace gyre::server {
namespace {

using nlohmann::json;
using protocol::Encoding;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view binary_type = "application/octet-stream";

class Requests : public ::testing::Test {
 protected:
  Requests() { running_.publish_table(); }

  [[nodiscard]] std::uint16_t port() const { return running_.port(); }
  [[nodiscard]] std::string key_text() {
    const auto bytes = dpf::serialize(running_.key());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string binary_body(const std::string& keys, std::uint32_t count = 1,
                                 const std::string& epoch = "current",
                                 const std::string& magic = "GYQ1") {
    std::vector<std::byte> number;
    append_little_endian(number, count);
    return magic + std::string(reinterpret_cast<const char*>(number.data()), 4) +
           static_cast<char>(epoch.size()) + epoch + keys;
  }
  static std::string json_body(const std::string& key, const std::string& epoch = "current") {
    return json{{"epoch", epoch}, {"keys", {protocol::to_base64(as_bytes(key))}}}.dump();
  }
  void expect(const std::string& request, int status, const std::string& code) {
    const auto response = ask(port(), request);
    ASSERT_TRUE(response) << "no answer instead of " << status;
    EXPECT_EQ(response->status, status) << response->body;
    EXPECT_EQ(response->code(), code);
    EXPECT_EQ(response->header("cache-control"), "no-store");
  }
  void expect_query(std::string_view type, const std::string& body, int status,
                    const std::string& code) {
    expect(post_request("/query", type, body), status, code);
  }

  RunningServer running_;
};

TEST_F(Requests, HealthSaysWhatTheServerIsDoing) {
  const auto response = ask(port(), get_request("/health"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("content-type"), "application/json");
  EXPECT_EQ(response->header("cache-control"), "no-store");
  EXPECT_EQ(
      json::parse(response->body),
      json({{"status", "ok"}, {"party", 0}, {"epoch", "0101010101010101-0-0000000000000000"}}));
}

TEST(Health, IsDegradedWhileAnImageIsMissingOrBroken) {
  RunningServer running([](ServerConfiguration& c) {
    c.residencies = {"device:sim", "reference"};
  });
  const auto health = [&] {
    const auto response = ask(running.port(), get_request("/health"));
    EXPECT_EQ(response->status, 200);
    return json::parse(response->body);
  };
  running.publish_table();
  EXPECT_EQ(health()["status"], "degraded");
  EXPECT_EQ(health()["images"], json({{"failed", json::array()}, {"missing", {"device:sim"}}}));

  TestDevice device;
  Epoch both = test_epoch(1, test_image(device.backend, 1, RunningServer::geometry));
  both.images.push_back(test_image(running.backend(), 1, RunningServer::geometry));
  publish(running.server().epochs(), std::move(both));
  EXPECT_EQ(health()["status"], "ok");
  EXPECT_FALSE(health().contains("images"));

  device.device->lose();
  EXPECT_EQ(ask(running.port(), running.query())->status, 200);
  EXPECT_EQ(health()["status"], "degraded");
  EXPECT_EQ(health()["images"], json({{"failed", {"device:sim"}}, {"missing", json::array()}}));
}

TEST_F(Requests, EpochIsDescribed) {
  const auto response = ask(port(), get_request("/epoch?ignored=1"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(json::parse(response->body)["current"]["id"], "0101010101010101-0-0000000000000000");
}

TEST_F(Requests, BeforeTheFirstEpochEverythingSaysSo) {
  RunningServer empty;
  const auto health = ask(empty.port(), get_request("/health"));
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 503);
  EXPECT_EQ(json::parse(health->body)["status"], "no_epoch");
  for (const std::string& request : {get_request("/epoch"), empty.query()}) {
    const auto response = ask(empty.port(), request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 503);
    EXPECT_EQ(response->code(), "no_epoch");
    EXPECT_EQ(response->header("retry-after"), "1");
  }
}

TEST_F(Requests, TwoServersAnswersTogetherAreTheRecord) {
  RunningServer other([](ServerConfiguration& c) { c.party = 1; });
  other.publish_table();
  SeededRandom random(3);
  for (const Encoding encoding : {Encoding::json, Encoding::binary}) {
    for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
      const Geometry geometry = RunningServer::geometry;
      const std::uint64_t index = 77;
      const auto keys = make_keys(geometry.records(kind), index, random);
      const auto answer_bytes = static_cast<std::uint32_t>(geometry.answer_bytes(kind));
      std::vector<std::byte> sum(answer_bytes);
      for (const std::size_t party : {0U, 1U}) {
        const auto response = ask(
            party == 0 ? port() : other.port(),
            post_request(kind == QueryKind::row ? "/query" : "/query/page", media_type(encoding),
                         encode(protocol::QueryRequest{CurrentEpoch{}, {keys[party]}}, encoding)));
        ASSERT_TRUE(response);
        ASSERT_EQ(response->status, 200) << response->body;
        EXPECT_EQ(response->header("content-type"), media_type(encoding));
        const auto decoded = decode_query_response(response->body, encoding, 1, answer_bytes);
        ASSERT_TRUE(decoded) << decoded.error().message;
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= decoded->answers[i];
      }
      const std::uint64_t rows = answer_bytes / geometry.row_bytes;
      EXPECT_EQ(sum, test_rows(0, geometry, index * rows, rows));
    }
  }
}

TEST_F(Requests, AnswersOfOneShapeHaveOneSizeOnTheWire) {
  for (const Encoding encoding : {Encoding::json, Encoding::binary}) {
    const auto first = ask(port(), running_.query(1, encoding));
    const auto second =
        ask(port(), running_.query(500, encoding, "Accept-Encoding: gzip, br, deflate\r\n"));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->status, 200);
    EXPECT_EQ(second->header("content-encoding"), "");
    EXPECT_EQ(first->body.size(), second->body.size());
  }
}

TEST_F(Requests, MalformedJsonIsRefused) {
  for (const auto* body :
       {"", "{", "[]", "null", R"({"epoch":"current"})", R"({"epoch":"current","keys":{}})",
        R"({"epoch":"current","keys":["!"]})", "\xff\xfe",
        "{\"epoch\":\"current\",\"keys\":[]}}"}) {
    expect_query(json_type, body, 400, "malformed_request");
  }
  expect_query(json_type, std::string(8000, '['), 400, "malformed_request");
}

TEST_F(Requests, MalformedBinaryIsRefused) {
  const std::string key = key_text();
  expect_query(binary_type, "", 400, "malformed_request");
  expect_query(binary_type, binary_body(key, 1, "current", "GYQ2"), 400, "malformed_request");
  expect_query(binary_type, binary_body(key + "x"), 400, "malformed_request");
  expect_query(binary_type, binary_body(key.substr(0, key.size() - 1)), 400, "malformed_request");
  expect_query(binary_type, binary_body("GYK2" + key.substr(4)), 400, "malformed_request");
  // A body in the other encoding.
  expect_query(binary_type, json_body(key), 400, "malformed_request");
  expect_query(json_type, binary_body(key), 400, "malformed_request");
}

TEST_F(Requests, KeysThatDoNotFitAreRefusedInBothEncodings) {
  const auto expect_key = [&](const dpf::Key& key, const std::string& code) {
    for (const Encoding encoding : {Encoding::json, Encoding::binary}) {
      const protocol::QueryRequest request{CurrentEpoch{}, {key}};
      expect_query(media_type(encoding), encode(request, encoding), 400, code);
    }
  };
  SeededRandom random(5);
  expect_key(make_keys(600, 1, random)[1], "wrong_party");
  expect_key(make_keys(256, 1, random)[0], "key_domain_mismatch");  // a level too few
  dpf::Key too_deep = running_.key();
  too_deep.levels.resize(dpf::max_levels + 1);
  expect_key(too_deep, "malformed_request");
}

TEST_F(Requests, NumberOfKeysIsBounded) {
  const std::string key = key_text();
  const auto keys = [&](std::uint32_t count) {
    std::string all;
    for (std::uint32_t i = 0; i < count; ++i) all += key;
    return binary_body(all, count);
  };
  expect_query(binary_type, keys(0), 400, "malformed_request");
  expect_query(binary_type, keys(RunningServer::max_keys + 1), 413, "request_too_large");
  expect_query(binary_type, binary_body(key, 0xffffffff), 413, "request_too_large");
  EXPECT_EQ(ask(port(), post_request("/query", binary_type, keys(RunningServer::max_keys)))->status,
            200);
  json body = {{"epoch", "current"}, {"keys", json::array()}};
  expect_query(json_type, body.dump(), 400, "malformed_request");
  for (std::uint32_t i = 0; i <= RunningServer::max_keys; ++i) {
    body["keys"].push_back(protocol::to_base64(as_bytes(key)));
  }
  expect_query(json_type, body.dump(), 413, "request_too_large");
}

TEST_F(Requests, AnUnknownEpochIsGone) {
  const std::string unknown = "ffffffffffffffff-7-0000000000000000";
  expect_query(binary_type, binary_body(key_text(), 1, unknown), 410, "epoch_gone");
  expect_query(json_type, json_body(key_text(), unknown), 410, "epoch_gone");
  expect_query(json_type, json_body(key_text(), "latest"), 400, "malformed_request");
}

TEST_F(Requests, OtherPathsAndMethodsAreRefused) {
  for (const auto* path : {"/", "/admin/snapshot", "/admin/", "/query/", "/Query", "/query/pages",
                           "/../etc/passwd", "/%2e%2e/etc/passwd", "//query", "/epoch/streams"}) {
    expect(get_request(path), 404, "not_found");
  }
  const auto expect_allowed = [&](const std::string& request, const std::string& allowed) {
    const auto response = ask(port(), request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 405);
    EXPECT_EQ(response->code(), "method_not_allowed");
    EXPECT_EQ(response->header("allow"), allowed);
  };
  expect_allowed(get_request("/query"), "POST");
  expect_allowed(get_request("/query/page"), "POST");
  expect_allowed(post_request("/epoch", json_type, "{}"), "GET, HEAD");
  expect_allowed("BREW /health HTTP/1.1\r\nHost: a\r\n\r\n", "GET, HEAD");
  expect_allowed("TRACE /query HTTP/1.1\r\nHost: a\r\n\r\n", "POST");
}

TEST_F(Requests, HeadHasTheHeadersOfGetAndNoBody) {
  for (const std::string path : {"/epoch", "/health", "/nope"}) {
    const auto got = ask(port(), get_request(path));
    RawConnection connection(port());
    connection.send("HEAD " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const auto head = connection.receive(/*to_head=*/true);
    ASSERT_TRUE(got && head);
    EXPECT_EQ(head->status, got->status);
    EXPECT_EQ(head->header("content-length"), got->header("content-length"));
    EXPECT_FALSE(connection.receive()) << "something came behind the head";
  }
}

TEST_F(Requests, OtherContentTypesAreRefused) {
  for (const auto* type :
       {"text/plain", "application/xml", "application/jsonx", "", "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded"}) {
    expect_query(type, json_body(key_text()), 415, "unsupported_media_type");
  }
  expect("POST /query HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 415,
         "unsupported_media_type");
  const auto with_parameter =
      ask(port(), post_request("/query", "Application/JSON; charset=utf-8", json_body(key_text())));
  ASSERT_TRUE(with_parameter);
  EXPECT_EQ(with_parameter->status, 200);
}

TEST_F(Requests, EncodedBodiesAreRefused) {
  for (const auto* encoding : {"gzip", "br", "deflate", "identity, gzip"}) {
    expect(post_request("/query", json_type, json_body(key_text()),
                        "Content-Encoding: " + std::string(encoding) + "\r\n"),
           415, "unsupported_media_type");
  }
  EXPECT_EQ(
      ask(port(), running_.query(0, Encoding::json, "Content-Encoding: identity\r\n"))->status,
      200);
}

TEST_F(Requests, LengthsThatTwoReadersCouldTakeDifferentlyAreRefused) {
  const std::string start = "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  for (const auto* framing :
       {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: two\r\n",
        "Content-Length: -2\r\n", "Transfer-Encoding: gzip\r\n"}) {
    expect(start + framing + "\r\n{}", 400, "malformed_request");
  }
  expect(start + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "malformed_request");
  expect(get_request("/health", "Content-Length: 5\r\n") + "hello", 400, "malformed_request");
}

TEST_F(Requests, BytesThatAreNoRequestAreRefused) {
  for (const std::string& bytes :
       {std::string("GET /health HTTP/1.1\nHost: a\n\n"), std::string("\x16\x03\x01\x02\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n"),
        std::string("\0\0\0\0\r\n\r\n", 8), std::string("GET /health HTTP/9.9\r\nHost: a\r\n\r\n"),
        std::string("GET /health HTTP/1.1\r\n\r\n")}) {
    expect(bytes, 400, "malformed_request");
  }
}

TEST_F(Requests, ChunkedBodiesAreUnderstood) {
  const std::string body = json_body(key_text());
  const std::string half = body.substr(0, 100);
  const std::string rest = body.substr(100);
  std::array<char, 16> rest_size{};
  std::snprintf(rest_size.data(), rest_size.size(), "%zX", rest.size());
  const auto response = ask(port(),
                            "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: "
                            "application/json\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" +
                                half + "\r\n" + rest_size.data() + "\r\n" + rest + "\r\n0\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200) << response->body;
}

TEST_F(Requests, ConnectionsAreKeptAndClosedAsAsked) {
  RawConnection connection(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(connection.send(running_.query(5)));
    const auto response = connection.receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_NE(response->header("connection"), "close");
  }
  // An error without a body left to read does not end it either.
  ASSERT_TRUE(connection.send(get_request("/nope")));
  EXPECT_EQ(connection.receive()->status, 404);
  ASSERT_TRUE(connection.send(get_request("/health", "Connection: close\r\n")));
  EXPECT_EQ(connection.receive()->header("connection"), "close");
  connection.wait_for_end();

  RawConnection old(port());
  old.send("GET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive()->status, 200);
  old.wait_for_end();
}

TEST_F(Requests, PipelinedRequestsAreAnsweredInOrder) {
  RawConnection connection(port());
  ASSERT_TRUE(connection.send(get_request("/health") + running_.query(1) + "\r\n" +
                              get_request("/nope") + running_.query(2, Encoding::json) +
                              get_request("/epoch")));
  const std::vector<std::pair<int, std::string>> expected = {{200, "application/json"},
                                                             {200, "application/octet-stream"},
                                                             {404, "application/problem+json"},
                                                             {200, "application/json"},
                                                             {200, "application/json"}};
  for (const auto& [status, type] : expected) {
    const auto response = connection.receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, status);
    EXPECT_EQ(response->header("content-type"), type);
  }
}

TEST_F(Requests, ExpectContinueIsAnsweredBeforeTheBody) {
  const std::string request = running_.query(0, Encoding::json, "Expect: 100-continue\r\n");
  const std::size_t head_end = request.find("\r\n\r\n") + 4;
  RawConnection connection(port());
  connection.send(request.substr(0, head_end));
  EXPECT_EQ(connection.receive()->status, 100);
  connection.send(request.substr(head_end));
  EXPECT_EQ(connection.receive()->status, 200);

  RawConnection refused(port());
  refused.send(
      "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
      "99999999\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.receive()->status, 413);
}

TEST_F(Requests, RangesAreNotServed) {
  for (const auto* range : {"bytes=0-3", "bytes=9999-", "garbage"}) {
    const auto response =
        ask(port(), get_request("/epoch", "Range: " + std::string(range) + "\r\n"));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_GT(response->body.size(), 100U);
  }
}

TEST_F(Requests, NoResponseQuotesItsRequest) {
  const std::string mark = "QuotedMark";
  for (const std::string& request :
       {get_request("/" + mark), mark + " / HTTP/1.1\r\n\r\n",
        get_request("/health", mark + "\r\n"), mark + " /health HTTP/1.1\r\nHost: a\r\n\r\n",
        post_request("/query", mark, "{}"),
        post_request("/query", json_type, "{\"" + mark + "\":1}"),
        post_request("/query", json_type, R"({"epoch":")" + mark + R"(","keys":[]})"),
        post_request("/query", json_type, mark), post_request("/query", binary_type, mark),
        post_request("/query", binary_type, binary_body(key_text(), 1, mark))}) {
    const auto response = ask(port(), request);
    ASSERT_TRUE(response);
    EXPECT_GE(response->status, 400);
    EXPECT_EQ(response->body.find(mark), std::string::npos) << response->body;
    for (const auto& [name, value] : response->headers)
      EXPECT_EQ(value.find(mark), std::string::npos);
  }
}

}  // namespace
}  // namespace gyre::server
