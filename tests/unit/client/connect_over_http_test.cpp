#include "harness/client/connect_over_http.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/code_of.hpp"
#include "tests/unit/client/raw_server.hpp"

namespace gyre::client {
namespace {

using testing::RawConnection;
using testing::RawServer;

ResolvedServer resolved(const std::string& url) {
  auto address = ServerAddress::parse(url);
  EXPECT_TRUE(address) << url;
  auto server = resolve(*address, std::chrono::seconds(10));
  EXPECT_TRUE(server) << url;
  return std::move(*server);
}

TEST(ConnectOverHttp, OneServerUnderTwoNamesIsRefusedUnasked) {
  RawServer server([](RawConnection& connection) { connection.wait_until_closed(); });
  const std::string port = std::to_string(server.port());
  const auto by_ip = resolved("http://127.0.0.1:" + port);
  const auto by_name =
      ResolvedServer{*ServerAddress::parse("http://localhost:" + port), {"::1", "127.0.0.1"}};
  EXPECT_EQ(code_of(connect_over_http(by_ip, by_name)), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(connect_over_http(by_name, by_ip)), ErrorCode::bad_configuration);
  EXPECT_EQ(server.connections(), 0);
}

TEST(ConnectOverHttp, PlainHttpOffThisMachineIsRefusedForEitherServer) {
  const auto here = resolved("http://127.0.0.1:1");
  const auto elsewhere = resolved("http://192.0.2.1:1");
  EXPECT_EQ(code_of(connect_over_http(here, elsewhere)), ErrorCode::insecure_transport);
  EXPECT_EQ(code_of(connect_over_http(elsewhere, here)), ErrorCode::insecure_transport);
}

}  // namespace
}  // namespace gyre::client
