#include "harness/client/http_transport.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/bytes.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "tests/unit/client/raw_server.hpp"
#include "tests/unit/client/test_certificates.hpp"

namespace gyre::client {
namespace {

using std::chrono::milliseconds;
using testing::Authority;
using testing::make_certificate;
using testing::make_key;
using testing::RawConnection;
using testing::RawServer;

constexpr std::size_t max_body = 1000;

std::unique_ptr<HttpTransport> transport_to(const std::string& url, const std::string& ip,
                                            const HttpTransportOptions& options = {}) {
  const auto address = ServerAddress::parse(url);
  EXPECT_TRUE(address);
  auto transport = HttpTransport::create({*address, {ip}}, options);
  EXPECT_TRUE(transport) << transport.error().message;
  return transport ? std::move(*transport) : nullptr;
}

std::unique_ptr<HttpTransport> transport_to(const RawServer& server,
                                            const HttpTransportOptions& options = {}) {
  return transport_to("http://127.0.0.1:" + std::to_string(server.port()), "127.0.0.1", options);
}

HttpTransportOptions hasty() {
  HttpTransportOptions options;
  options.connect_timeout = milliseconds(300);
  options.idle_timeout = milliseconds(300);
  options.total_timeout = milliseconds(300);
  return options;
}

std::string text_of(const TransportResponse& response) {
  return {reinterpret_cast<const char*>(response.body.data()), response.body.size()};
}

// What one GET comes to when the server answers with these bytes and then waits.
Result<TransportResponse> after(const std::string& bytes,
                                const HttpTransportOptions& options = {}) {
  RawServer server([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send(bytes);
    connection.wait_until_closed();
  });
  return transport_to(server, options)->get("/epoch", max_body);
}

ErrorCode code_after(const std::string& bytes, const HttpTransportOptions& options = {}) {
  const auto response = after(bytes, options);
  EXPECT_FALSE(response) << "an error was wanted";
  return response ? ErrorCode::internal : response.error().code;
}

TEST(HttpTransport, SendsOneRequestAndReadsItsResponse) {
  std::vector<std::string> requests;
  RawServer server([&](RawConnection& connection) {
    for (std::string request = connection.read_request(); !request.empty();
         request = connection.read_request()) {
      requests.push_back(request);
      connection.send(
          "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
          "Content-Length: 5\r\n\r\nhello");
    }
  });
  {
    const auto transport = transport_to(server);
    EXPECT_EQ(transport->server(), "http://127.0.0.1:" + std::to_string(server.port()));
    const auto got = transport->get("/epoch", max_body);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->content_type, "application/json");
    EXPECT_EQ(text_of(*got), "hello");

    std::string body = "all bytes:";
    for (int c = 0; c < 256; ++c) body += static_cast<char>(c);
    const auto posted =
        transport->post("/query", "application/octet-stream", as_bytes(body), max_body);
    ASSERT_TRUE(posted) << posted.error().message;
    EXPECT_EQ(server.connections(), 1) << "the connection is used again";
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_TRUE(requests[0].starts_with("GET /epoch HTTP/1.1\r\n"));
    EXPECT_TRUE(requests[1].starts_with("POST /query HTTP/1.1\r\n"));
    EXPECT_TRUE(requests[1].ends_with("\r\n\r\n" + body));
    EXPECT_NE(requests[1].find("Content-Type: application/octet-stream\r\n"), std::string::npos);
    EXPECT_EQ(requests[1].find("httplib"), std::string::npos) << "no fingerprint of the library";
  }
}

TEST(HttpTransport, ReadsChunksAndErrorsAndDoesNotFollowRedirects) {
  const auto chunked = after(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  ASSERT_TRUE(chunked) << chunked.error().message;
  EXPECT_EQ(text_of(*chunked), "abcde");
  const auto refused = after(
      "HTTP/1.1 410 Gone\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 410);
  EXPECT_EQ(refused->content_type, "application/problem+json");
  RawServer target([](RawConnection&) {});
  const auto moved =
      after("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + std::to_string(target.port()) +
            "/\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->status, 302);
  EXPECT_EQ(target.connections(), 0);
}

TEST(HttpTransport, BodiesAreBounded) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  EXPECT_TRUE(after(ok + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x')));
  EXPECT_EQ(code_after(ok + "Content-Length: 1001\r\n\r\n"), ErrorCode::bad_answer)
      << "refused before a byte of it is read";
  EXPECT_EQ(code_after(ok + "Content-Length: 18446744073709551615\r\n\r\n"), ErrorCode::bad_answer);
  EXPECT_EQ(code_after(ok + "Content-Length: 99999999999999999999999\r\n\r\n"),
            ErrorCode::bad_answer);
  EXPECT_EQ(code_after(ok + "Connection: close\r\n\r\n" + std::string(1001, 'x')),
            ErrorCode::bad_answer)
      << "no length given";
  EXPECT_EQ(code_after(ok + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x')),
            ErrorCode::bad_answer);
  EXPECT_EQ(code_after("HTTP/1.1 500 Error\r\nContent-Length: 16385\r\n\r\n"),
            ErrorCode::bad_answer)
      << "errors too";
  EXPECT_EQ(code_after(ok + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            ErrorCode::bad_answer)
      << "nothing that grows when it is unpacked";
}

TEST(HttpTransport, EndlessAnswersEnd) {
  const auto flood = [](const std::string& begin, const std::string& piece) {
    RawServer server([&](RawConnection& connection) {
      if (connection.read_request().empty() || !connection.send(begin)) return;
      std::string pieces;
      while (pieces.size() < 64 * 1024) pieces += piece;
      while (connection.send(pieces)) {
      }
    });
    const auto response = transport_to(server)->get("/epoch", max_body);
    EXPECT_FALSE(response);
    return response ? ErrorCode::internal : response.error().code;
  };
  EXPECT_EQ(flood("", "x"), ErrorCode::bad_answer) << "no line end";
  EXPECT_EQ(flood("HTTP/1.1 200 ", "x"), ErrorCode::bad_answer) << "status line";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\nA: ", "x"), ErrorCode::bad_answer) << "one header";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\n", "A: b\r\n"), ErrorCode::bad_answer) << "many headers";
  EXPECT_EQ(flood("", "HTTP/1.1 100 Continue\r\n\r\n"), ErrorCode::bad_answer)
      << "continue for ever";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\n\r\n", "x"), ErrorCode::bad_answer) << "body";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "x"),
            ErrorCode::bad_answer)
      << "chunk size";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
            ErrorCode::bad_answer)
      << "chunk extension";
  EXPECT_EQ(flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
            ErrorCode::bad_answer)
      << "chunks";
}

TEST(HttpTransport, WhatIsNotHttpIsABadAnswer) {
  for (const std::string bytes :
       {"nonsense\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n", "SSH-2.0-x\r\n", "\r\n\r\n", "HTTP/1.1 101 Switch\r\n\r\n"}) {
    EXPECT_EQ(code_after(bytes), ErrorCode::bad_answer) << bytes;
  }
}

TEST(HttpTransport, BytesAfterAnAnswerAreNotTakenForTheNext) {
  RawServer server([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\n"
        "Content-Length: 6\r\n\r\nforged");
    if (!connection.read_request().empty()) connection.send("");
  });
  const auto transport = transport_to(server);
  ASSERT_EQ(text_of(*transport->get("/a", max_body)), "one");
  const auto next = transport->get("/b", max_body);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(text_of(*next), "one") << "from a connection of its own";
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpTransport, AConnectionTheServerClosedMeanwhileIsReplaced) {
  std::atomic<int> closed{0};
  RawServer server([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    ++closed;
  });
  const auto transport = transport_to(server);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(transport->get("/epoch", max_body)) << i;
    while (closed < i) std::this_thread::yield();
    // The close follows the count; the server is back at accepting once it is done.
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpTransport, ServersThatGoAwayAreUnreachable) {
  const std::string url = [] {
    RawServer gone([](RawConnection&) {});
    return "http://127.0.0.1:" + std::to_string(gone.port());
  }();
  const auto refused = transport_to(url, "127.0.0.1")->get("/epoch", max_body);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unreachable);
  EXPECT_NE(refused.error().message.find(url), std::string::npos) << refused.error().message;

  for (const std::string before : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n",
                                   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}) {
    RawServer server([&](RawConnection& connection) {
      if (!connection.read_request().empty()) connection.send(before);
    });
    const auto cut = transport_to(server)->get("/epoch", max_body);
    ASSERT_FALSE(cut) << before;
    EXPECT_EQ(cut.error().code, ErrorCode::unreachable) << before << cut.error().message;
  }
}

TEST(HttpTransport, EveryAddressOfAServerIsTried) {
  RawServer server([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const auto address = ServerAddress::parse("http://localhost:" + std::to_string(server.port()));
  // Nobody listens at the first two.
  auto transport = HttpTransport::create({*address, {"::1", "127.0.0.2", "127.0.0.1"}}, {});
  ASSERT_TRUE(transport);
  EXPECT_TRUE((*transport)->get("/epoch", max_body));
}

TEST(HttpTransport, SilentAndDrippingServersTimeOut) {
  EXPECT_EQ(code_after("", hasty()), ErrorCode::timed_out);
  EXPECT_EQ(code_after("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", hasty()),
            ErrorCode::timed_out);

  auto options = hasty();
  options.idle_timeout = std::chrono::hours(1);
  options.total_timeout = milliseconds(400);
  RawServer dripping([&](RawConnection& connection) {
    if (connection.read_request().empty()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (connection.send("x")) std::this_thread::sleep_for(milliseconds(10));
  });
  const auto response = transport_to(dripping, options)->get("/epoch", max_body);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out) << "a byte now and then is no answer";
  EXPECT_NE(response.error().message.find("400 ms"), std::string::npos) << response.error().message;
}

TEST(HttpTransport, AServerThatReadsNothingTimesOut) {
  RawServer deaf([](RawConnection& connection) { connection.wait_until_the_test_ends(); });
  std::vector<std::byte> body(std::size_t{64} << 20U);
  const auto response =
      transport_to(deaf, hasty())->post("/query", "application/octet-stream", body, max_body);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timed_out);
}

TEST(HttpTransport, OptionsAreChecked) {
  const auto address = ServerAddress::parse("http://127.0.0.1:1");
  for (auto member : {&HttpTransportOptions::connect_timeout, &HttpTransportOptions::idle_timeout,
                      &HttpTransportOptions::total_timeout}) {
    for (const auto value : {milliseconds(0), milliseconds(-1), milliseconds::max()}) {
      HttpTransportOptions options;
      options.*member = value;
      const auto transport = HttpTransport::create({*address, {"127.0.0.1"}}, options);
      ASSERT_FALSE(transport);
      EXPECT_EQ(transport.error().code, ErrorCode::bad_configuration);
    }
  }
}

// ---- TLS

// A server with a certificate for `names`, and the authority that signed it in a file.
class TlsServer {
 public:
  explicit TlsServer(const std::string& names, long valid_from = -3600, long valid_to = 3600)
      : directory_(std::move(*scenario::TemporaryDirectory::create())),
        key_(make_key()),
        certificate_(make_certificate(key_.get(), authority_.certificate.get(),
                                      authority_.key.get(), names, valid_from, valid_to)),
        server_(certificate_.get(), key_.get()) {
    authority_.write(ca_file());
    server_.Get("/epoch", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("hello", "application/json");
    });
    server_.Post("/query", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.body, "application/octet-stream");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TlsServer() {
    server_.stop();
    thread_.join();
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string ca_file() const { return directory_.path() / "authority.pem"; }
  [[nodiscard]] std::unique_ptr<HttpTransport> transport(const std::string& host,
                                                         const std::string& ca) const {
    HttpTransportOptions options;
    options.ca_file = ca;
    return transport_to("https://" + host + ":" + std::to_string(port_), "127.0.0.1", options);
  }

 private:
  scenario::TemporaryDirectory directory_;
  Authority authority_;
  testing::PrivateKey key_;
  testing::Certificate certificate_;
  httplib::SSLServer server_;
  int port_ = 0;
  std::thread thread_;
};

void expect_insecure(HttpTransport& transport, const std::string& reason) {
  const auto response = transport.get("/epoch", max_body);
  ASSERT_FALSE(response) << reason;
  EXPECT_EQ(response.error().code, ErrorCode::insecure_transport) << response.error().message;
  EXPECT_NE(response.error().message.find(reason), std::string::npos) << response.error().message;
}

TEST(HttpTransportTls, AVerifiedServerIsTalkedTo) {
  const TlsServer server("DNS:gyre.example,IP:127.0.0.1");
  for (const std::string host : {"127.0.0.1", "gyre.example"}) {
    const auto transport = server.transport(host, server.ca_file());
    for (int i = 0; i < 3; ++i) {
      const auto got = transport->get("/epoch", max_body);
      ASSERT_TRUE(got) << host << ": " << got.error().message;
      EXPECT_EQ(text_of(*got), "hello");
    }
    const std::vector<std::byte> body(300'000, std::byte{0x5a});
    const auto posted = transport->post("/query", "application/octet-stream", body, body.size());
    ASSERT_TRUE(posted) << posted.error().message;
    EXPECT_EQ(posted->body, body);
  }
}

TEST(HttpTransportTls, AnUnknownAuthorityIsRefused) {
  const TlsServer server("IP:127.0.0.1");
  const TlsServer other("IP:127.0.0.1");
  expect_insecure(*server.transport("127.0.0.1", other.ca_file()), "authority");
  expect_insecure(*server.transport("127.0.0.1", ""), "authority");
}

TEST(HttpTransportTls, ACertificateForAnotherNameIsRefused) {
  const TlsServer server("DNS:gyre.example,DNS:*.wild.example,DNS:127.0.0.2");
  expect_insecure(*server.transport("127.0.0.1", server.ca_file()), "another name");
  expect_insecure(*server.transport("other.example", server.ca_file()), "another name");
  expect_insecure(*server.transport("a.b.wild.example", server.ca_file()), "another name");
  expect_insecure(*server.transport("127.0.0.2", server.ca_file()), "another name");
  EXPECT_TRUE(server.transport("a.wild.example", server.ca_file())->get("/epoch", max_body));
}

TEST(HttpTransportTls, ACertificateOutOfDateIsRefused) {
  const TlsServer expired("IP:127.0.0.1", -7200, -3600);
  expect_insecure(*expired.transport("127.0.0.1", expired.ca_file()), "not valid");
  const TlsServer early("IP:127.0.0.1", 3600, 7200);
  expect_insecure(*early.transport("127.0.0.1", early.ca_file()), "not valid");
}

TEST(HttpTransportTls, AServerWithoutTlsIsRefused) {
  RawServer server([](RawConnection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.wait_until_closed();
  });
  const auto transport =
      transport_to("https://127.0.0.1:" + std::to_string(server.port()), "127.0.0.1");
  expect_insecure(*transport, "TLS");
}

TEST(HttpTransportTls, AHandshakeThatIsCutOrDripsEnds) {
  RawServer cutting([](RawConnection&) {});
  const auto cut = transport_to("https://127.0.0.1:" + std::to_string(cutting.port()), "127.0.0.1")
                       ->get("/epoch", max_body);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::unreachable) << cut.error().message;

  RawServer dripping([](RawConnection& connection) {
    // A handshake record of 16 KiB that never gets whole.
    if (!connection.send(std::string("\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", 9))) return;
    while (connection.send("x")) std::this_thread::sleep_for(milliseconds(10));
  });
  const auto dripped =
      transport_to("https://127.0.0.1:" + std::to_string(dripping.port()), "127.0.0.1", hasty())
          ->get("/epoch", max_body);
  ASSERT_FALSE(dripped);
  EXPECT_EQ(dripped.error().code, ErrorCode::timed_out) << dripped.error().message;
}

TEST(HttpTransportTls, ACaFileWithoutCertificatesIsRefused) {
  const auto directory = scenario::TemporaryDirectory::create();
  ASSERT_TRUE(directory);
  const auto address = ServerAddress::parse("https://127.0.0.1:1");
  HttpTransportOptions options;
  options.ca_file = directory->path() / "missing.pem";
  EXPECT_EQ(HttpTransport::create({*address, {"127.0.0.1"}}, options).error().code,
            ErrorCode::bad_configuration);
  options.ca_file = directory->path() / "empty.pem";
  std::ofstream(options.ca_file) << "no certificate\n";
  EXPECT_EQ(HttpTransport::create({*address, {"127.0.0.1"}}, options).error().code,
            ErrorCode::bad_configuration);
}

}  // namespace
}  // namespace gyre::client
