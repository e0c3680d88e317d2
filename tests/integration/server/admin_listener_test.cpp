// The admin listener over HTTP: who gets in, which resources there are, and what the log says of
// it.
#include <gtest/gtest.h>
#include <httplib.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "harness/protocol/update_codec.hpp"
#include "harness/server/admin_server.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/support/self_signed.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {
namespace {

using nlohmann::json;
using protocol::Encoding;

const std::string token = "a-token-of-many-characters";
const std::string as_admin = "Authorization: Bearer " + token + "\r\n";

// What the log says while it lives.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("captured", std::move(sink)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }

  // After the listener has stopped: lines are written after an answer was sent.
  std::vector<std::string> audit_lines() const {
    std::vector<std::string> lines;
    std::istringstream text(text_.str());
    for (std::string line; std::getline(text, line);) {
      if (line.find("event=audit") != std::string::npos) lines.push_back(line);
    }
    return lines;
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

class AdminListenerTest : public RotationTest {
 protected:
  AdminListenerTest() {
    configuration_.listen = {"127.0.0.1", 0};
    configuration_.token = token;
  }
  ~AdminListenerTest() override { stop(); }

  void start() {
    auto started =
        AdminServer::start(configuration_, resources_, [this] { return metrics_.text({}); });
    if (!started) throw std::runtime_error(started.error().message);
    server_ = std::move(*started);
    port_ =
        static_cast<std::uint16_t>(std::stoi(server_->url().substr(server_->url().rfind(':') + 1)));
  }
  void stop() {
    service_.stop();
    server_.reset();
  }
  RawResponse get(const std::string& path, const std::string& headers = as_admin) {
    return ask(port_, get_request(path, headers)).value();
  }
  RawResponse post(const std::string& path, const std::string& body,
                   const std::string& type = "application/json",
                   const std::string& headers = as_admin) {
    return ask(port_, post_request(path, type, body, headers)).value();
  }
  RawResponse del(const std::string& path) {
    return ask(port_, "DELETE " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
                          as_admin + "\r\n")
        .value();
  }

  CapturedLog log_;
  AdminConfiguration configuration_;
  Compactor compactor_{writer_, std::chrono::hours(1)};
  AdminResources resources_{service_, writer_, epochs_, compactor_, metrics_};
  std::unique_ptr<AdminServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(AdminListenerTest, ASnapshotIsRotatedToUpdatedAndRolledBack) {
  start();
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  const auto rotated =
      post("/admin/snapshot", protocol::encode_snapshot_request(snapshot.by_manifest()));
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  const std::string rotation = json::parse(rotated.body)["rotation"];
  EXPECT_EQ(get("/admin/rotations/" + rotation).status, 200);
  EXPECT_EQ(json::parse(get("/admin/rotations").body)["rotations"].size(), 1U);

  const EpochId before = current();
  const auto updated =
      post("/admin/updates", protocol::encode(test_batch(1, {0}), Encoding::binary),
           "application/octet-stream");
  ASSERT_EQ(updated.status, 200) << updated.body;
  EXPECT_EQ(json::parse(updated.body)["epoch"], current().text());
  EXPECT_EQ(post("/admin/updates", protocol::encode(test_batch(2, {0}), Encoding::json)).status,
            200);
  EXPECT_EQ(post("/admin/updates", protocol::encode(test_batch(9, {0}), Encoding::json)).code(),
            "sequence_gap");

  const std::string back = R"({"epoch": ")" + before.text() + R"(", "discard_updates": )";
  EXPECT_EQ(post("/admin/rollback", back + "false}").code(), "updates_would_be_lost");
  EXPECT_EQ(post("/admin/rollback", back + "true}").status, 200);
  EXPECT_EQ(current(), before);
}

TEST_F(AdminListenerTest, ARotationThatRunsCanBeSeenAndCancelled) {
  start();
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_second_read.close();
  const auto begun =
      post("/admin/snapshot", protocol::encode_snapshot_request(snapshot.by_manifest()),
           "application/json", as_admin + "Prefer: respond-async\r\n");
  ASSERT_EQ(begun.status, 202) << begun.body;
  const std::string location = begun.header("location");
  EXPECT_EQ(json::parse(get(location).body)["state"], "running");
  EXPECT_EQ(del(location).status, 200);
  EXPECT_EQ(json::parse(get(location).body)["state"], "cancelled");
  EXPECT_TRUE(epochs_.snapshot().empty());
}

TEST_F(AdminListenerTest, AClientThatGoesAwayCancelsNothing) {
  start();
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_second_read.close();
  {
    RawConnection connection(port_);
    ASSERT_TRUE(connection.send(
        post_request("/admin/snapshot", "application/json",
                     protocol::encode_snapshot_request(snapshot.by_manifest()), as_admin)));
    origin_.at_second_read.wait_for_arrival();
  }
  origin_.at_second_read.open();
  ASSERT_TRUE(
      epochs_.wait_newer(0, std::chrono::steady_clock::now() + std::chrono::minutes(1), {}));
  EXPECT_EQ(current(), snapshot.id());
}

TEST_F(AdminListenerTest, WithoutATokenConfiguredEverythingIsForbidden) {
  configuration_.token.clear();
  start();
  for (const std::string path : {"/admin/rotations", "/metrics", "/", "/no/such/thing"}) {
    const auto refused = get(path);
    EXPECT_EQ(refused.status, 403) << path;
    EXPECT_EQ(refused.code(), "admin_not_configured");
  }
  EXPECT_EQ(post("/admin/snapshot", "{}").status, 403);
}

TEST_F(AdminListenerTest, StrangersLearnOnlyThatTheyAreStrangers) {
  start();
  for (const std::string path : {"/admin/rotations", "/metrics", "/no/such/thing"}) {
    const auto refused = get(path, "");
    EXPECT_EQ(refused.status, 401) << path;
    EXPECT_EQ(refused.code(), "unauthorized");
    EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
  }
}

TEST_F(AdminListenerTest, AStrangersBodyIsNotRead) {
  start();
  RawConnection connection(port_);
  ASSERT_TRUE(connection.send(
      "POST /admin/updates HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
      "Content-Length: 60000000\r\n\r\n"));
  const auto refused = connection.receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
}

TEST_F(AdminListenerTest, WhoKeepsGuessingIsSlowedDown) {
  start();
  int last = 0;
  for (unsigned i = 0; i < 40 && last != 429; ++i) {
    last =
        get("/admin/rotations", "Authorization: Bearer wrong-" + std::to_string(i) + "\r\n").status;
  }
  EXPECT_EQ(last, 429);
  const auto refused = get("/admin/rotations");
  if (refused.status == 429) {
    EXPECT_EQ(refused.code(), "too_many_requests");
    EXPECT_FALSE(refused.header("retry-after").empty());
  }
}

TEST_F(AdminListenerTest, WhatIsNotAResourceIsRefusedInItsOwnWay) {
  start();
  EXPECT_EQ(get("/admin/nothing").status, 404);
  EXPECT_EQ(get("/admin/rotations/no-such-one").status, 404);
  EXPECT_EQ(get("/admin/rotations/a/b").status, 404);
  EXPECT_EQ(get("/admin/rotations/" + std::string(65, 'a')).status, 404);
  EXPECT_EQ(get("/admin/rotations/%2e").status, 404);
  EXPECT_EQ(get("/query").status, 404);  // the public listener's
  const auto wrong_method = get("/admin/snapshot");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.header("allow"), "POST");
  EXPECT_EQ(post("/admin/snapshot", "{}", "text/plain").status, 415);
  EXPECT_EQ(post("/admin/snapshot", "{}").status, 400);
  EXPECT_EQ(post("/admin/snapshot", std::string(1 << 20, ' ')).status, 413);
  EXPECT_EQ(post("/admin/rollback", "[").status, 400);
}

TEST_F(AdminListenerTest, EveryRequestLeavesOneLineAndNoSecret) {
  start();
  const std::string secret = "wrong-" + token;
  get("/admin/rotations");
  get("/admin/made-up-path?x=" + token);
  get("/admin/rotations", "Authorization: Bearer " + secret + "\r\n");
  post("/admin/snapshot", "{\"" + token + "\": 1}");
  (void)ask(port_, "NONSENSE\r\n\r\n");
  stop();
  const auto lines = log_.audit_lines();
  ASSERT_EQ(lines.size(), 5U) << log_.text();
  // In any order: a line is written after its answer was sent, perhaps after the next request's.
  const auto one_line_says = [&](const std::vector<std::string>& texts) {
    const auto says_all = [&](const std::string& line) {
      return std::ranges::all_of(
          texts, [&](const std::string& text) { return line.find(text) != std::string::npos; });
    };
    EXPECT_EQ(std::ranges::count_if(lines, says_all), 1) << texts.back() << "\n" << log_.text();
  };
  one_line_says(
      {"who=admin peer=127.0.0.1", "method=GET route=/admin/rotations status=200 code=-"});
  one_line_says({"who=admin", "route=- status=404"});
  one_line_says({"who=stranger", "status=401 code=unauthorized"});
  one_line_says(
      {"who=admin", "method=POST route=/admin/snapshot status=400 code=malformed_request"});
  one_line_says({"who=- peer=127.0.0.1", "status=400"});
  EXPECT_EQ(log_.text().find(token), std::string::npos);
  EXPECT_EQ(log_.text().find("made-up"), std::string::npos);
}

TEST_F(AdminListenerTest, StoppingAnswersWhoWaitsForARotation) {
  start();
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_second_read.close();
  std::optional<RawResponse> answer;
  std::thread waiting([&] {
    answer = post("/admin/snapshot", protocol::encode_snapshot_request(snapshot.by_manifest()));
  });
  origin_.at_second_read.wait_for_arrival();
  service_.stop();
  waiting.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code(), "cancelled");
}

TEST_F(AdminListenerTest, ClientCertificatesAreAskedForAndTheirSubjectIsHeldAgainstTheList) {
  const TestDirectory directory;
  const auto path = [&](const std::string& name) { return (directory.path() / name).string(); };
  write_self_signed("IP:127.0.0.1", path("server.pem"), path("server.key"));
  write_self_signed("DNS:ops", path("client.pem"), path("client.key"));
  write_self_signed("DNS:other", path("other.pem"), path("other.key"));
  configuration_.tls_certificate_file = path("server.pem");
  configuration_.tls_key_file = path("server.key");
  configuration_.client_authorities_file = path("client.pem");
  const auto status_for = [&](const std::string& certificate, const std::string& key) {
    httplib::SSLClient client("127.0.0.1", port_, certificate, key);
    client.set_ca_cert_path(path("server.pem"));
    client.set_bearer_token_auth(token);
    const auto response = client.Get("/admin/rotations");
    return response ? response->status : 0;
  };
  configuration_.client_subjects = {"CN=test"};
  start();
  EXPECT_EQ(status_for(path("client.pem"), path("client.key")), 200);
  EXPECT_EQ(status_for("", ""), 0);
  EXPECT_EQ(status_for(path("other.pem"), path("other.key")), 0);
  server_.reset();
  configuration_.client_subjects = {"CN=somebody else"};
  start();
  EXPECT_EQ(status_for(path("client.pem"), path("client.key")), 401);
}

TEST(AdminConfiguration, SaysWhatIsMissing) {
  const auto refused = [](const AdminConfiguration& configuration) {
    return code_of(configuration.check()) == ErrorCode::bad_configuration;
  };
  AdminConfiguration good;
  good.token = token;
  EXPECT_FALSE(refused(good));
  AdminConfiguration bad = good;
  bad.token = "short";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.tls_key_file = "key";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.client_authorities_file = "ca";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.client_subjects = {"CN=x"};
  EXPECT_TRUE(refused(bad));
}

}  // namespace
}  // namespace gyre::server
