#include "harness/client/admin_client.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "harness/client/admin_token.hpp"
#include "harness/protocol/problem_document.hpp"
#include "tests/support/self_signed.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/client/raw_server.hpp"

namespace gyre::client {
namespace {

using std::chrono::milliseconds;
using testing::RawConnection;
using testing::RawServer;

constexpr milliseconds long_enough = std::chrono::seconds(30);

Result<AdminClient> client_of(std::uint16_t port, const std::string& token = "open-sesame") {
  return AdminClient::create(
      {*ServerAddress::parse("http://127.0.0.1:" + std::to_string(port)), {"127.0.0.1"}}, {},
      token);
}

std::string response(int status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " Any\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string problem(const Error& error, int status) {
  return response(status, "Content-Type: application/problem+json\r\n",
                  protocol::encode_problem(error));
}

// What a request comes to when the server answers with these bytes.
Result<AdminReply> after(const std::string& bytes) {
  RawServer server([&](RawConnection& connection) {
    if (!connection.read_request().empty()) connection.send(bytes);
  });
  auto client = client_of(server.port());
  EXPECT_TRUE(client);
  return client->request("GET", "/admin/rotations", {}, {}, long_enough);
}

TEST(AdminClient, SendsItsTokenItsHeadersAndItsBody) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request();
    connection.send(response(202,
                             "Content-Type: application/json; charset=utf-8\r\n"
                             "Location: /admin/rotations/7\r\n",
                             "{}"));
  });
  auto client = client_of(server.port());
  ASSERT_TRUE(client);
  const auto reply =
      client->request("POST", "/admin/snapshot", {{"Prefer", "respond-async"}},
                      {"application/json", as_bytes("{\"url\":\"x\"}")}, long_enough);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 202);
  EXPECT_EQ(reply->content_type, "application/json");
  EXPECT_EQ(reply->location, "/admin/rotations/7");
  EXPECT_EQ(reply->body, "{}");
  EXPECT_TRUE(seen.starts_with("POST /admin/snapshot HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("\r\nAuthorization: Bearer open-sesame\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("\r\nPrefer: respond-async\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("\r\nContent-Type: application/json\r\n"), std::string::npos) << seen;
  EXPECT_TRUE(seen.ends_with("\r\n\r\n{\"url\":\"x\"}")) << seen;
}

TEST(AdminClient, SendsOtherMethodsWithoutABody) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request();
    connection.send(response(204, "", ""));
  });
  auto client = client_of(server.port());
  ASSERT_TRUE(client);
  const auto reply = client->request("DELETE", "/admin/rotations/7", {}, {}, long_enough);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 204);
  EXPECT_TRUE(seen.starts_with("DELETE /admin/rotations/7 HTTP/1.1\r\n")) << seen;
}

TEST(AdminClient, AnErrorOfTheServerKeepsItsCodeAndItsSentence) {
  const auto gap = after(problem({ErrorCode::sequence_gap, "the next batch is number 8"}, 409));
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().code, ErrorCode::sequence_gap);
  EXPECT_NE(gap.error().message.find("the next batch is number 8"), std::string::npos);
  EXPECT_FALSE(is_worth_retrying(gap.error()));

  const auto busy = after(problem({ErrorCode::overlay_full, "wait for the compaction"}, 503));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::overlay_full);
  EXPECT_TRUE(is_worth_retrying(busy.error()));
}

TEST(AdminClient, AServerCannotFeignAnErrorOfThisSide) {
  const auto reply = after(response(
      400, "Content-Type: application/problem+json\r\n",
      R"({"type":"about:blank","title":"x","status":400,"detail":"d","code":"unreachable"})"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::server_refused);
  EXPECT_FALSE(is_worth_retrying(reply.error()));
}

TEST(AdminClient, ErrorsOfOtherFormsAreNotPassedOn) {
  const auto reply = after(response(500, "Content-Type: text/html\r\n", "<b>\x1b[2Jboom</b>"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::server_refused);
  EXPECT_EQ(reply.error().message.find("boom"), std::string::npos);
  const auto redirect = after(response(302, "Location: http://elsewhere/\r\n", ""));
  ASSERT_FALSE(redirect);
  EXPECT_EQ(redirect.error().code, ErrorCode::bad_answer);
}

TEST(AdminClient, ATokenNeverTravelsInTheClearOffThisMachine) {
  const auto client =
      AdminClient::create({*ServerAddress::parse("http://192.0.2.1:1"), {"192.0.2.1"}}, {}, "t");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::insecure_transport);
}

TEST(AdminClient, WaitsNoLongerThanItsDeadline) {
  RawServer server([](RawConnection& connection) {
    connection.read_request();
    connection.wait_until_closed();
  });
  auto client = client_of(server.port());
  ASSERT_TRUE(client);
  const auto reply = client->request("GET", "/metrics", {}, {}, milliseconds(100));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::timed_out);
  EXPECT_TRUE(is_worth_retrying(reply.error()));
}

TEST(AdminClient, RefusesWhatWouldEndAHeaderEarly) {
  auto client = client_of(1, "token\r\nX-Evil: 1");
  ASSERT_TRUE(client);
  const auto reply = client->request("GET", "/metrics", {}, {}, long_enough);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::bad_configuration);
  EXPECT_EQ(reply.error().message.find("Evil"), std::string::npos);
  auto other = client_of(1);
  ASSERT_TRUE(other);
  for (const std::string path : {"", "metrics", "/a b", "/a\r\nb"}) {
    const auto refused = other->request("GET", path, {}, {}, long_enough);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::bad_configuration);
  }
}

TEST(AdminClient, AClientCertificateNeedsItsKey) {
  const TestDirectory directory;
  const std::string one = directory.path() / "one.pem";
  const std::string one_key = directory.path() / "one.key";
  const std::string other = directory.path() / "other.pem";
  const std::string other_key = directory.path() / "other.key";
  write_self_signed("DNS:one", one, one_key);
  write_self_signed("DNS:other", other, other_key);
  const ResolvedServer server{*ServerAddress::parse("https://127.0.0.1:1"), {"127.0.0.1"}};
  HttpTransportOptions options;
  options.ca_file = one;
  options.client_certificate_file = one;
  options.client_key_file = one_key;
  EXPECT_TRUE(AdminClient::create(server, options, "t"));
  for (const std::string& key : {std::string(), other_key, other}) {
    options.client_key_file = key;
    const auto client = AdminClient::create(server, options, "t");
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ErrorCode::bad_configuration);
  }
}

class AdminTokenTest : public TemporaryDirectoryTest {
 protected:
  Result<std::string> from_file(const std::string& content) {
    return read_admin_token(directory_.write("token", content));
  }
};

TEST_F(AdminTokenTest, ComesFromTheFirstLineOfAFile) {
  EXPECT_EQ(from_file("s3cret/+=\n").value(), "s3cret/+=");
  EXPECT_EQ(from_file("s3cret").value(), "s3cret");
  EXPECT_EQ(from_file("s3cret\r\n").value(), "s3cret");
  const std::string longest(max_admin_token_bytes, 'x');
  EXPECT_EQ(from_file(longest + "\r\n").value(), longest);
}

TEST_F(AdminTokenTest, IsOneLineOfPrintableCharacters) {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("two words"), std::string("two\nlines"),
        std::string("nul\0", 4), std::string(max_admin_token_bytes + 1, 'x')}) {
    const auto token = from_file(content);
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error().code, ErrorCode::bad_configuration);
    EXPECT_EQ(token.error().message.find("two"), std::string::npos);
  }
  const auto missing = read_admin_token(directory_.path() / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::io_failed);
}

TEST_F(AdminTokenTest, ComesFromTheEnvironmentWhereNoFileIsNamed) {
  ::setenv(admin_token_variable, "from-the-environment", 1);
  EXPECT_EQ(read_admin_token(std::nullopt).value(), "from-the-environment");
  EXPECT_EQ(from_file("from-the-file").value(), "from-the-file");
  ::unsetenv(admin_token_variable);
  const auto none = read_admin_token(std::nullopt);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::bad_configuration);
}

}  // namespace
}  // namespace gyre::client
