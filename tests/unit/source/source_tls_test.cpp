// Sources over TLS: whom a source believes.
#include <gtest/gtest.h>

#include "tests/support/code_of.hpp"
#include "tests/support/self_signed.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

class SourceTls : public TemporaryDirectoryTest {
 protected:
  HostileOrigin::Certificate certificate_for(const std::string& names) const {
    HostileOrigin::Certificate made{directory_.path() / "certificate.pem",
                                    directory_.path() / "key.pem"};
    write_self_signed(names, made.certificate_file, made.key_file);
    return made;
  }
  Result<std::string> fetch_from(const HostileOrigin& origin, const std::string& ca_file,
                                 const std::string& host = "localhost") const {
    SourcePolicy policy = policy_for(origin);
    policy.allow_plain_http = false;
    policy.ca_file = ca_file;
    return fetch("https://" + host + ":" + origin.port_text() + "/", policy);
  }
  static void answer(OriginPeer& peer, std::string_view response) {
    if (!peer.accept() || peer.read_request().empty()) return;
    peer.send(response);
    peer.end_tls();
  }
};

TEST_F(SourceTls, ReadsFromATrustedOrigin) {
  const auto certificate = certificate_for("DNS:localhost,IP:127.0.0.1");
  const std::string body(1'000'000, 'x');
  const HostileOrigin origin(certificate, [&](OriginPeer& peer) {
    answer(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body);
  });
  EXPECT_EQ(fetch_from(origin, certificate.certificate_file), body);
  EXPECT_EQ(fetch_from(origin, certificate.certificate_file, "127.0.0.1"), body);
}

TEST_F(SourceTls, TellsTheOriginTheNameInTheUrl) {
  const auto certificate = certificate_for("DNS:localhost");
  const HostileOrigin origin(certificate, [&](OriginPeer& peer) {
    if (!peer.accept()) return;
    peer.read_request();
    const std::string name = peer.server_name();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(name.size()) + "\r\n\r\n" +
              name);
  });
  EXPECT_EQ(fetch_from(origin, certificate.certificate_file), "localhost");
}

TEST_F(SourceTls, RefusesAnUntrustedCertificate) {
  const auto certificate = certificate_for("DNS:localhost");
  const HostileOrigin origin(certificate, [](OriginPeer& peer) { answer(peer, ""); });
  const auto result = fetch_from(origin, "");
  ASSERT_EQ(code_of(result), ErrorCode::source_failed);
  EXPECT_NE(result.error().message.find("authority"), std::string::npos);
}

TEST_F(SourceTls, RefusesACertificateForAnotherName) {
  const auto certificate = certificate_for("DNS:elsewhere.example");
  const HostileOrigin origin(certificate, [](OriginPeer& peer) { answer(peer, ""); });
  const auto result = fetch_from(origin, certificate.certificate_file);
  ASSERT_EQ(code_of(result), ErrorCode::source_failed);
  EXPECT_NE(result.error().message.find("another name"), std::string::npos);
}

TEST_F(SourceTls, RefusesAnOriginWithoutTls) {
  const HostileOrigin origin([](OriginPeer& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    peer.wait_until_closed();
  });
  EXPECT_EQ(code_of(fetch_from(origin, "")), ErrorCode::source_failed);
}

TEST_F(SourceTls, TheHandshakeCountsAsConnecting) {
  const HostileOrigin origin([](OriginPeer& peer) { peer.wait_until_closed(); });
  SourcePolicy policy = policy_for(origin);
  policy.connect_time = std::chrono::milliseconds(200);
  EXPECT_EQ(code_of(fetch("https://127.0.0.1:" + origin.port_text() + "/", policy)),
            ErrorCode::source_timed_out);
}

// Without a length, the end must come from the origin and not from whoever cuts the line.
TEST_F(SourceTls, ABodyThatEndsWithTheConnectionMustEndInTls) {
  const auto certificate = certificate_for("DNS:localhost");
  const HostileOrigin polite(certificate,
                             [](OriginPeer& peer) { answer(peer, "HTTP/1.1 200 OK\r\n\r\nall"); });
  EXPECT_EQ(fetch_from(polite, certificate.certificate_file), "all");
  const HostileOrigin cut(certificate, [](OriginPeer& peer) {
    if (peer.accept() && !peer.read_request().empty()) peer.send("HTTP/1.1 200 OK\r\n\r\nhalf");
  });
  EXPECT_EQ(code_of(fetch_from(cut, certificate.certificate_file)), ErrorCode::source_failed);
}

}  // namespace
}  // namespace gyre::source
