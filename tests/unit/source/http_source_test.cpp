// Origins that behave.
#include "harness/source/http_source.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

std::string chunk(std::string_view data) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx", data.size());
  return size.data() + std::string("\r\n") + std::string(data) + "\r\n";
}

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

// Answers every request with these bytes and closes.
std::function<void(OriginPeer&)> answering(std::string response) {
  return [response = std::move(response)](OriginPeer& peer) {
    if (!peer.read_request().empty()) peer.send(response);
  };
}

std::string with_length(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

TEST(HttpSource, ReadsABodyOfStatedLength) {
  const std::string body = pattern(1'000'000);
  const HostileOrigin origin(answering(with_length(body)));
  const auto source = open(url_of(origin), policy_for(origin), no_bound, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), body.size());
  EXPECT_EQ(read_all(**source, 300'000), body);
  EXPECT_EQ(read_all(**source), "");  // the end stays the end
}

TEST(HttpSource, ReadsABodyInChunks) {
  const std::string body = pattern(500'000);
  const std::string_view view = body;
  const HostileOrigin origin(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                       chunk(view.substr(0, 1)) + chunk(view.substr(1, 200'000)) +
                                       "1F;extension=\"x\"\r\n" +
                                       std::string(view.substr(200'001, 31)) + "\r\n" +
                                       chunk(view.substr(200'032)) + "0\r\nTrailer: x\r\n\r\n"));
  const auto source = open(url_of(origin), policy_for(origin), no_bound, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), std::nullopt);
  EXPECT_EQ(read_all(**source), body);
  EXPECT_EQ(read_all(**source), "");
}

TEST(HttpSource, ReadsABodyThatEndsWithTheConnection) {
  const std::string body = pattern(200'000);
  const HostileOrigin origin(answering("HTTP/1.0 200 OK\r\n\r\n" + body));
  const auto source = open(url_of(origin), policy_for(origin), no_bound, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), std::nullopt);
  EXPECT_EQ(read_all(**source), body);
}

TEST(HttpSource, ReadsAnEmptyBody) {
  const HostileOrigin stated(answering(with_length("")));
  EXPECT_EQ(fetch(url_of(stated), policy_for(stated)), "");
  const HostileOrigin chunked(
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
  EXPECT_EQ(fetch(url_of(chunked), policy_for(chunked)), "");
}

TEST(HttpSource, AsksForTheBytesAsTheyAre) {
  std::mutex mutex;
  std::string request;
  const HostileOrigin origin([&](OriginPeer& peer) {
    const std::lock_guard lock(mutex);
    request = peer.read_request();
    peer.send(with_length("x"));
  });
  const std::string url = "http://127.0.0.1:" + origin.port_text() + "/a%20b/c?d=e";
  EXPECT_EQ(fetch(url, policy_for(origin)), "x");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(request, "GET /a%20b/c?d=e HTTP/1.1\r\nHost: 127.0.0.1:" + origin.port_text() +
                         "\r\nUser-Agent: gyre\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                         "Connection: close\r\n\r\n");
}

TEST(HttpSource, ResolvesNames) {
  const HostileOrigin origin(answering(with_length("found")));
  EXPECT_EQ(fetch("http://localhost:" + origin.port_text() + "/", policy_for(origin)), "found");
}

TEST(HttpSource, TheBoundIsTheLastByteThatIsAllowed) {
  const std::string body = pattern(100'000);
  const std::string responses[] = {
      with_length(body),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(body) + "0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n" + body,
  };
  for (const std::string& response : responses) {
    const HostileOrigin origin(answering(response));
    SourcePolicy policy = policy_for(origin);
    EXPECT_EQ(fetch(url_of(origin), policy, body.size()), body);
    EXPECT_EQ(code_of(fetch(url_of(origin), policy, body.size() - 1)),
              ErrorCode::request_too_large);
    policy.max_bytes = body.size() - 1;
    EXPECT_EQ(code_of(fetch(url_of(origin), policy)), ErrorCode::request_too_large);
  }
}

// A connection that has already happened, in pieces of any size.
class TextConnection final : public Connection {
 public:
  explicit TextConnection(std::string text) : text_(std::move(text)) {}
  Result<void> send(std::string_view, Clock::time_point) override { return {}; }
  Result<std::size_t> receive(std::span<std::byte> into, Clock::time_point) override {
    const std::size_t piece =
        std::min({*anywhere_in<std::size_t>(1, 40), into.size(), text_.size() - at_});
    std::memcpy(into.data(), text_.data() + at_, piece);
    at_ += piece;
    return piece;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

RC_GTEST_PROP(HttpSource, PiecesOfAnySizeGiveTheSameBody, ()) {
  const std::string body = pattern(*anywhere_in<std::size_t>(0, 200));
  std::string response;
  switch (*anywhere_in<int>(0, 3)) {
    case 0:
      response = with_length(body) + "more than was said is never looked at";
      break;
    case 1: {
      response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
      std::string_view rest = body;
      while (!rest.empty()) {
        const auto piece = rest.substr(0, *anywhere_in<std::size_t>(1, 60));
        response += chunk(piece);
        rest.remove_prefix(piece.size());
      }
      response += "0\r\n\r\n";
      break;
    }
    default:
      response = "HTTP/1.1 200 OK\r\n\r\n" + body;
  }
  auto source = get(Url::parse("http://a/").value(), SourcePolicy(),
                    std::make_unique<TextConnection>(response), body.size(),
                    Clock::now() + std::chrono::minutes(2));
  RC_ASSERT(source.has_value());
  const auto content = read_all(**source, *anywhere_in<std::size_t>(1, 50));
  RC_ASSERT(content.has_value());
  RC_ASSERT(*content == body);
}

}  // namespace
}  // namespace gyre::source
