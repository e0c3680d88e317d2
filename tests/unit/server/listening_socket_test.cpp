#include "harness/server/listening_socket.hpp"

#include <gtest/gtest.h>

#include "harness/server/server.hpp"
#include "tests/support/code_of.hpp"

namespace gyre::server {
namespace {

TEST(ListenAddress, IsAHostAndAPort) {
  const auto v4 = ListenAddress::parse("127.0.0.1:8080");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 8080);
  EXPECT_EQ(v4->text(), "127.0.0.1:8080");
  const auto v6 = ListenAddress::parse("[::1]:0");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->text(), "[::1]:0");
  for (const auto* text :
       {"", ":", "8080", ":8080", "a:", "a:b", "a:65536", "a:-1", "a:80x", "::1:80", "[]:80"}) {
    EXPECT_EQ(code_of(ListenAddress::parse(text)), ErrorCode::bad_configuration) << text;
  }
}

TEST(ListeningSocket, TwoCannotHaveOnePort) {
  auto first = ListeningSocket::open({"127.0.0.1", 0});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_NE(first->bound.port, 0);
  EXPECT_TRUE(first->loopback);
  EXPECT_EQ(code_of(ListeningSocket::open(first->bound)), ErrorCode::bad_configuration);
}

TEST(Server, OffLoopbackItWantsTlsOrToBeToldOtherwise) {
  ServerConfiguration configuration;
  configuration.listen = {"0.0.0.0", 0};
  EXPECT_EQ(code_of(Server::start(configuration)), ErrorCode::bad_configuration);
  configuration.allow_plain = true;
  EXPECT_TRUE(Server::start(configuration));
}

TEST(Server, RefusesConfigurationsThatCannotWork) {
  const auto code = [](auto change) {
    ServerConfiguration configuration;
    configuration.listen = {"127.0.0.1", 0};
    change(configuration);
    return code_of(Server::start(configuration));
  };
  EXPECT_FALSE(code([](auto&) {}));
  EXPECT_EQ(code([](auto& c) { c.party = 2; }), ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.queries.max_keys = 0; }), ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.queries.max_passes = 0; }), ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.queries.max_pass_queries = 0; }), ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.queries.max_pass_queries = 1025; }), ErrorCode::bad_configuration);
  // Every query of a full pass may have a connection of its own.
  EXPECT_EQ(code([](auto& c) { c.http.max_connections = c.queries.max_waiting + 8; }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.queries.answer_memory_bytes = c.queries.max_answer_bytes; }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.http.head_time = std::chrono::milliseconds(0); }),
            ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.tls_key_file = "key.pem"; }), ErrorCode::bad_configuration);
  EXPECT_EQ(code([](auto& c) { c.tls_key_file = c.tls_certificate_file = "/nonexistent.pem"; }),
            ErrorCode::bad_configuration);
}

}  // namespace
}  // namespace gyre::server
