#include "harness/client/server_address.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <string>

#include "harness/client/http_transport.hpp"

namespace gyre::client {
namespace {

using std::chrono::seconds;

ServerAddress parsed(std::string_view text) {
  const auto address = ServerAddress::parse(text);
  EXPECT_TRUE(address) << text << ": " << (address ? "" : address.error().message);
  return address.value_or(ServerAddress{});
}

ResolvedServer at(std::string_view url, std::vector<std::string> ips) {
  return {parsed(url), std::move(ips)};
}

TEST(ServerAddress, IsNormalised) {
  const std::array<std::array<std::string, 2>, 12> cases = {{
      {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
      {"HTTP://LOCALHOST", "http://localhost:80"},
      {"https://Gyre.Example.org", "https://gyre.example.org:443"},
      {"https://gyre.example.org/", "https://gyre.example.org:443"},
      {"https://gyre.example.org:65535", "https://gyre.example.org:65535"},
      {"https://a-b.3com.example:1", "https://a-b.3com.example:1"},
      {"http://[::1]", "http://[::1]:80"},
      {"http://[0:0:0:0:0:0:0:1]:81", "http://[::1]:81"},
      {"https://[2001:DB8::00:1]:81", "https://[2001:db8::1]:81"},
      {"http://[::ffff:127.0.0.1]:81", "http://127.0.0.1:81"},
      {"https://192.0.2.7", "https://192.0.2.7:443"},
      {"https://x", "https://x:443"},
  }};
  for (const auto& [given, expected] : cases) EXPECT_EQ(parsed(given).text(), expected) << given;
}

TEST(ServerAddress, RefusesWhatIsNotOneSchemeHostAndPort) {
  for (const std::string text : {"",
                                 "http",
                                 "http:",
                                 "http://",
                                 "http:///",
                                 "//host",
                                 "host:80",
                                 "ftp://host",
                                 "httpss://host",
                                 "http//host",
                                 "https://user@host",
                                 "https://user:password@host",
                                 "https://host/path",
                                 "https://host//",
                                 "https://host?q",
                                 "https://host#f",
                                 "https://host\\x",
                                 "https://host:",
                                 "https://host:0",
                                 "https://host:65536",
                                 "https://host:080",
                                 "https://host:+80",
                                 "https://host: 80",
                                 "https://host:80x",
                                 "https://host:123456",
                                 "https://:80",
                                 "https://-host",
                                 "https://host-",
                                 "https://a..b",
                                 "https://host.",
                                 "https://.host",
                                 "https://ho st",
                                 "https://ho_st",
                                 "https://h\xc3\xb6st",
                                 "https://host\n",
                                 "https://host\x1b[2J",
                                 "https://[::1",
                                 "https://::1",
                                 "https://[::1]x",
                                 "https://[fe80::1%eth0]",
                                 "https://[host]",
                                 "https://[127.0.0.1]",
                                 "https://127.1",
                                 "https://2130706433",
                                 "https://0x7f.0.0.1",
                                 "https://0x7f000001",
                                 "https://127.0.0.01",
                                 "https://1.2.3.4.5",
                                 "https://256.0.0.1",
                                 "https://host.0x",
                                 " https://host",
                                 "https://host "}) {
    const auto address = ServerAddress::parse(text);
    ASSERT_FALSE(address) << text << " became " << address->text();
    EXPECT_EQ(address.error().code, ErrorCode::unsupported_url) << text;
  }
  for (const std::string text :
       {"s3cret", "s3cret://host", "https://s3cret@host", "https://h/s3cret", "https://s3cret_host",
        "https://host:s3cret", "https://[s3cret]"}) {
    const auto address = ServerAddress::parse(text);
    ASSERT_FALSE(address);
    EXPECT_EQ(address.error().message.find("s3cret"), std::string::npos)
        << "input must not be quoted";
  }
  EXPECT_FALSE(ServerAddress::parse("https://" + std::string(64, 'a') + ".example"));
  EXPECT_TRUE(ServerAddress::parse("https://" + std::string(63, 'a') + ".example"));
  std::string long_name = "https://a";
  for (int i = 0; i < 127; ++i) long_name += ".a";
  EXPECT_FALSE(ServerAddress::parse(long_name)) << "255 characters of name";
}

RC_GTEST_PROP(ServerAddressProperty, WhateverIsAcceptedIsPrintableAndParsesToItself,
              (const std::string& tail)) {
  const std::string alphabet = "ah0-.:[]/x1f%@";
  std::string text = "https://";
  for (const char c : tail) text += alphabet[static_cast<unsigned char>(c) % alphabet.size()];
  const auto address = ServerAddress::parse(text);
  if (!address) return;
  const auto again = ServerAddress::parse(address->text());
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *address);
}

TEST(ServerAddress, KnowsLoopback) {
  EXPECT_TRUE(at("http://127.0.0.1", {"127.0.0.1"}).is_loopback());
  EXPECT_TRUE(at("http://127.255.255.254", {"127.255.255.254"}).is_loopback());
  EXPECT_TRUE(at("http://[::1]", {"::1"}).is_loopback());
  EXPECT_TRUE(at("http://localhost", {"::1", "127.0.0.1"}).is_loopback());
  EXPECT_FALSE(at("http://localhost", {"127.0.0.1", "192.0.2.1"}).is_loopback());
  EXPECT_FALSE(at("http://localhost", {}).is_loopback());
  EXPECT_FALSE(at("http://127.example", {"127.0.0.1"}).is_loopback());
  EXPECT_FALSE(at("http://elsewhere.example", {"127.0.0.1"}).is_loopback());
  EXPECT_FALSE(at("http://128.0.0.1", {"128.0.0.1"}).is_loopback());
  EXPECT_FALSE(at("http://[::2]", {"::2"}).is_loopback());
}

TEST(ServerAddress, HttpIsForLoopbackOnly) {
  EXPECT_TRUE(check_transport(at("http://127.0.0.1:1", {"127.0.0.1"})));
  EXPECT_TRUE(check_transport(at("https://192.0.2.1:1", {"192.0.2.1"})));
  for (const auto& server :
       {at("http://192.0.2.1:1", {"192.0.2.1"}), at("http://gyre.example", {"127.0.0.1"}),
        at("http://localhost", {"127.0.0.1", "192.0.2.1"})}) {
    const auto checked = check_transport(server);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ErrorCode::insecure_transport);
    const auto transport = HttpTransport::create(server, {});
    ASSERT_FALSE(transport) << "nor can a transport be made";
    EXPECT_EQ(transport.error().code, ErrorCode::insecure_transport);
  }
}

TEST(ServerAddress, OneServerIsNotTwo) {
  const auto a = at("https://a.example", {"192.0.2.1", "192.0.2.2"});
  for (const auto& same :
       {a, at("https://A.example:443", {"192.0.2.9"}), at("http://a.example:443", {"192.0.2.9"}),
        at("https://b.example", {"192.0.2.3", "192.0.2.2"}),
        at("https://192.0.2.2", {"192.0.2.2"})}) {
    const auto checked = check_distinct(a, same);
    ASSERT_FALSE(checked) << same.address.text();
    EXPECT_EQ(checked.error().code, ErrorCode::bad_configuration);
  }
  EXPECT_TRUE(check_distinct(a, at("https://b.example", {"192.0.2.3"})));
  EXPECT_TRUE(check_distinct(a, at("https://a.example:444", {"192.0.2.1"}))) << "another port";
  EXPECT_TRUE(check_distinct(at("http://127.0.0.1:8080", {"127.0.0.1"}),
                             at("http://127.0.0.1:8090", {"127.0.0.1"})));
}

TEST(Resolve, LiteralAddressesNeedNoResolver) {
  const auto server = resolve(parsed("https://[::ffff:192.0.2.1]"), seconds(1));
  ASSERT_TRUE(server);
  EXPECT_EQ(server->ips, std::vector<std::string>{"192.0.2.1"});
}

TEST(Resolve, LocalhostIsLoopbackHere) {
  const auto server = resolve(parsed("http://localhost"), seconds(10));
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_TRUE(server->is_loopback());
}

TEST(Resolve, UnknownNamesAreUnreachable) {
  // ".invalid" never resolves (RFC 6761); a resolver that hangs is cut off.
  const auto server = resolve(parsed("https://gyre.invalid"), seconds(10));
  ASSERT_FALSE(server);
  EXPECT_TRUE(server.error().code == ErrorCode::unreachable ||
              server.error().code == ErrorCode::timed_out);
}

}  // namespace
}  // namespace gyre::client
