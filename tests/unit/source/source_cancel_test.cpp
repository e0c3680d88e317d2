// Whatever a source waits for, a requested stop ends the wait. All time-outs are so long that only
// the stop can.
#include <gtest/gtest.h>

#include <future>

#include "tests/support/code_of.hpp"
#include "tests/support/self_signed.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/source/full_backlog.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

class SourceCancel : public TemporaryDirectoryTest {
 protected:
  // The origin does this, says that it did, and then nothing more; the stop comes after that.
  std::optional<ErrorCode> stopped_after(const std::function<void(OriginPeer&)>& behaviour,
                                         const HostileOrigin::Certificate& certificate = {}) {
    std::promise<void> reached;
    const HostileOrigin origin(certificate, [&](OriginPeer& peer) {
      behaviour(peer);
      reached.set_value();
      peer.wait_until_closed();
    });
    SourcePolicy policy = policy_for(origin);
    policy.ca_file = certificate.certificate_file;
    const std::string scheme = certificate.certificate_file.empty() ? "http" : "https";
    std::stop_source stop;
    auto result = std::async(std::launch::async, [&] {
      return fetch(scheme + "://127.0.0.1:" + origin.port_text() + "/", policy, no_bound,
                   stop.get_token());
    });
    reached.get_future().wait();
    stop.request_stop();
    return code_of(result.get());
  }
};

TEST_F(SourceCancel, BeforeItIsOpened) {
  const HostileOrigin origin([](OriginPeer& peer) { peer.wait_until_closed(); });
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_of(fetch(url_of(origin), policy_for(origin), no_bound, stop.get_token())),
            ErrorCode::cancelled);
  EXPECT_EQ(origin.connections(), 0);
}

TEST_F(SourceCancel, WhileConnecting) {
  const FullBacklog nobody;
  const std::string host = "127.0.0.1:" + std::to_string(nobody.port());
  SourcePolicy policy;
  policy.allowed_hosts = {host};
  policy.allowed_networks = {"127.0.0.0/8"};
  policy.allow_plain_http = true;
  policy.connect_time = std::chrono::milliseconds(100);
  EXPECT_EQ(code_of(fetch("http://" + host + "/", policy)), ErrorCode::source_timed_out);

  policy.connect_time = std::chrono::seconds(120);
  std::stop_source stop;
  const std::size_t before = nobody.connecting();
  auto result = std::async(std::launch::async, [&] {
    return fetch("http://" + host + "/", policy, no_bound, stop.get_token());
  });
  while (nobody.connecting() == before) std::this_thread::yield();
  stop.request_stop();
  EXPECT_EQ(code_of(result.get()), ErrorCode::cancelled);
}

TEST_F(SourceCancel, InTheHandshake) {
  HostileOrigin::Certificate certificate{directory_.path() / "certificate.pem",
                                         directory_.path() / "key.pem"};
  write_self_signed("IP:127.0.0.1", certificate.certificate_file, certificate.key_file);
  EXPECT_EQ(stopped_after([](OriginPeer&) {}, certificate), ErrorCode::cancelled);
  // And over TLS afterwards.
  EXPECT_EQ(stopped_after(
                [](OriginPeer& peer) {
                  peer.accept();
                  peer.read_request();
                  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
                },
                certificate),
            ErrorCode::cancelled);
}

TEST_F(SourceCancel, BeforeTheHead) {
  EXPECT_EQ(stopped_after([](OriginPeer& peer) { peer.read_request(); }), ErrorCode::cancelled);
  EXPECT_EQ(stopped_after([](OriginPeer& peer) {
              peer.read_request();
              peer.send("HTTP/1.1 200 OK\r\n");
            }),
            ErrorCode::cancelled);
}

TEST_F(SourceCancel, InTheBody) {
  for (const char* response : {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
                               "HTTP/1.1 200 OK\r\n\r\n123"}) {
    EXPECT_EQ(stopped_after([&](OriginPeer& peer) {
                peer.read_request();
                peer.send(response);
              }),
              ErrorCode::cancelled);
  }
}

// An origin that always has more is never waited for.
TEST_F(SourceCancel, InABodyThatNeverPauses) {
  std::promise<void> reached;
  const HostileOrigin origin([&](OriginPeer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    reached.set_value();
    peer.send_without_end(std::string(64 * 1024, 'x'));
  });
  std::stop_source stop;
  auto result = std::async(std::launch::async, [&]() -> std::optional<ErrorCode> {
    auto source = open(url_of(origin), policy_for(origin), no_bound, stop.get_token());
    if (!source) return source.error().code;
    std::string buffer(64 * 1024, '\0');
    while (true) {
      const auto got = (*source)->read(std::as_writable_bytes(std::span(buffer)));
      if (!got) return got.error().code;
    }
  });
  reached.get_future().wait();
  stop.request_stop();
  EXPECT_EQ(result.get(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace gyre::source
