// The listener over TLS, and peers that do not speak it.
#include <gtest/gtest.h>
#include <httplib.h>

#include <fstream>
#include <thread>

#include "harness/scenario/temporary_directory.hpp"
#include "tests/integration/server/running_server.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/self_signed.hpp"

namespace gyre::server {
namespace {

class Tls : public ::testing::Test {
 protected:
  Tls() : directory_(std::move(scenario::TemporaryDirectory::create().value())) {
    write_self_signed("IP:127.0.0.1", certificate(), key());
    start([](ServerConfiguration&) {});
  }
  [[nodiscard]] std::string certificate() const { return directory_.path() / "certificate.pem"; }
  [[nodiscard]] std::string key() const { return directory_.path() / "key.pem"; }
  void start(const RunningServer::Change& change) {
    running_ = std::make_unique<RunningServer>([&](ServerConfiguration& configuration) {
      configuration.tls_certificate_file = certificate();
      configuration.tls_key_file = key();
      change(configuration);
    });
    running_->publish_table();
  }
  // Of an honest client that verifies the server.
  [[nodiscard]] httplib::Result post(const std::string& body) const {
    httplib::SSLClient client("127.0.0.1", running_->port());
    client.set_ca_cert_path(certificate().c_str());
    client.enable_server_certificate_verification(true);
    return client.Post("/query", body, "application/octet-stream");
  }
  [[nodiscard]] bool answers() {
    const auto result = post(encode(protocol::QueryRequest{CurrentEpoch{}, {running_->key()}},
                                    protocol::Encoding::binary));
    return result && result->status == 200;
  }

  scenario::TemporaryDirectory directory_;
  std::unique_ptr<RunningServer> running_;
};

TEST_F(Tls, QueriesAreAnswered) {
  EXPECT_TRUE(answers());
}

TEST_F(Tls, ALongRefusedBodyStillGetsItsAnswer) {
  const auto result = post(std::string(1024 * 1024, 'x'));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 413);
}

TEST_F(Tls, PeersThatDoNotSpeakItAreClosed) {
  for (const std::string& bytes :
       {get_request("/health"), std::string(100'000, '\xff'),
        std::string("\x16\x03\x01\xff\xff") + std::string(70'000, 'x'), std::string(10, '\0')}) {
    RawConnection connection(running_->port());
    connection.send(bytes);
    ::shutdown(connection.socket(), SHUT_WR);
    const auto response = connection.receive();
    EXPECT_FALSE(response);
  }
  EXPECT_TRUE(answers());
}

TEST_F(Tls, AHandshakeMustBeWholeInTime) {
  start([](ServerConfiguration& c) { c.http.head_time = std::chrono::milliseconds(100); });
  RawConnection silent(running_->port());
  silent.wait_for_end();
  RawConnection stalled(running_->port());
  stalled.send(std::string("\x16\x03\x01\x00\xa5\x01", 6));  // the beginning of a first message
  stalled.wait_for_end();
}

TEST_F(Tls, StalledHandshakesKeepNobodyOut) {
  start([](ServerConfiguration& c) {
    c.http.head_time = c.http.idle_time = std::chrono::minutes(10);
    c.http.max_connections = 12;
    c.queries.max_passes = 1;
    c.queries.max_pass_queries = 1;
    c.queries.max_waiting = 3;
  });
  std::vector<std::unique_ptr<RawConnection>> peers;
  for (int i = 0; i < 24; ++i) {
    peers.push_back(std::make_unique<RawConnection>(running_->port()));
    if (i % 2 == 0) peers.back()->send(std::string("\x16\x03\x01\x00\xa5\x01", 6));
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(answers());
  EXPECT_GT(running_->http().statistics().evicted, 0U);
}

TEST_F(Tls, EpochsAreStreamed) {
  httplib::SSLClient client("127.0.0.1", running_->port());
  client.set_ca_cert_path(certificate().c_str());
  client.enable_server_certificate_verification(true);
  std::string text;
  const auto result = client.Get("/epoch/stream", [&](const char* data, std::size_t size) {
    text.append(data, size);
    // The first event makes the second one.
    if (text.find(":1\ndata: {") != std::string::npos &&
        running_->server().epochs().current()->generation().count == 1) {
      running_->publish_table();
    }
    return text.find(":2\ndata: {") == std::string::npos;
  });
  EXPECT_EQ(result.error(), httplib::Error::Canceled);
  EXPECT_NE(text.find(":2\ndata: {"), std::string::npos);
  // The client has left.
  while (running_->server().listener().stream().statistics().open != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(answers());
}

TEST_F(Tls, FilesThatDoNotBelongTogetherAreRefused) {
  const std::string other_certificate = directory_.path() / "other.pem";
  const std::string other_key = directory_.path() / "other-key.pem";
  write_self_signed("IP:127.0.0.1", other_certificate, other_key);
  EXPECT_TRUE(TlsContext::load(certificate(), key()));
  EXPECT_EQ(code_of(TlsContext::load(certificate(), other_key)), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(TlsContext::load(certificate(), certificate())), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(TlsContext::load("/nonexistent", key())), ErrorCode::bad_configuration);
  std::ofstream(other_certificate) << "not PEM";
  EXPECT_EQ(code_of(TlsContext::load(other_certificate, key())), ErrorCode::bad_configuration);
}

}  // namespace
}  // namespace gyre::server
