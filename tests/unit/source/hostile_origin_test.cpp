// Origins that do not behave: each thing they can do, and the error it ends in.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/code_of.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

using std::chrono::milliseconds;

constexpr const char* chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// What becomes of a source whose origin reads the request and then does this.
std::optional<ErrorCode> outcome(const std::function<void(OriginPeer&)>& behaviour,
                                 const std::function<void(SourcePolicy&)>& change = {},
                                 std::uint64_t max_bytes = no_bound) {
  const HostileOrigin origin([&](OriginPeer& peer) {
    if (!peer.read_request().empty()) behaviour(peer);
  });
  SourcePolicy policy = policy_for(origin);
  if (change) change(policy);
  return code_of(fetch(url_of(origin), policy, max_bytes));
}

std::optional<ErrorCode> outcome(const std::string& response) {
  return outcome([&](OriginPeer& peer) { peer.send(response); });
}

TEST(HostileOrigin, NotFound) {
  EXPECT_EQ(outcome("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), ErrorCode::not_found);
}

TEST(HostileOrigin, Redirects) {
  for (const char* status : {"301", "302", "303", "307", "308"}) {
    EXPECT_EQ(outcome("HTTP/1.1 " + std::string(status) +
                      " Elsewhere\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
              ErrorCode::source_failed);
  }
}

TEST(HostileOrigin, RefusesOrFails) {
  EXPECT_EQ(outcome("HTTP/1.1 403 Forbidden\r\n\r\n"), ErrorCode::source_failed);
  EXPECT_EQ(outcome("HTTP/1.1 500 Oops\r\n\r\n"), ErrorCode::source_failed);
  EXPECT_EQ(outcome("HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, InterimResponses) {
  EXPECT_EQ(outcome([](OriginPeer& peer) {
              peer.send_without_end("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
            }),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, CompressesTheBody) {
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, SaysNothingAndHangsUp) {
  EXPECT_EQ(outcome([](OriginPeer&) {}), ErrorCode::source_failed);
  EXPECT_EQ(outcome("HTTP/1.1 200 O"), ErrorCode::source_failed);
}

TEST(HostileOrigin, DoesNotSpeakHttp) {
  EXPECT_EQ(outcome("SSH-2.0-OpenSSH_9\r\n\r\n"), ErrorCode::source_failed);
  EXPECT_EQ(outcome([](OriginPeer& peer) { peer.send_without_end(std::string(4096, 'x')); }),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, TruncatesABodyOfStatedLength) {
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789"),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, TruncatesABodyInChunks) {
  for (const char* body : {"", "5", "5\r\n", "5\r\n123", "5\r\n12345", "5\r\n12345\r\n",
                           "5\r\n12345\r\n0\r\n", "5\r\n12345\r\n0\r\nTrailer: x\r\n"}) {
    EXPECT_EQ(outcome(chunked_head + std::string(body)), ErrorCode::source_failed) << body;
  }
}

TEST(HostileOrigin, ResetsTheConnection) {
  EXPECT_EQ(outcome([](OriginPeer& peer) { peer.reset(); }), ErrorCode::source_failed);
  // Without a length, only how the connection ends tells a whole body from half of one.
  EXPECT_EQ(outcome([](OriginPeer& peer) {
              peer.send("HTTP/1.1 200 OK\r\n\r\nhalf");
              peer.reset();
            }),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, StatesALengthBeyondTheBound) {
  // Refused at the head: the body never comes.
  EXPECT_EQ(outcome(
                [](OriginPeer& peer) {
                  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
                  peer.wait_until_closed();
                },
                {}, 1000),
            ErrorCode::request_too_large);
}

TEST(HostileOrigin, SendsMoreThanItStated) {
  const HostileOrigin origin([](OriginPeer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345");
    peer.send_without_end("more");
  });
  EXPECT_EQ(fetch(url_of(origin), policy_for(origin), 5), "12345");
}

TEST(HostileOrigin, StatesTheLengthTwice) {
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12"),
            ErrorCode::source_failed);
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "1\r\nx\r\n0\r\n\r\n"),
            ErrorCode::source_failed);
}

TEST(HostileOrigin, ABodyWithoutLengthAndWithoutEnd) {
  EXPECT_EQ(outcome(
                [](OriginPeer& peer) {
                  peer.send("HTTP/1.1 200 OK\r\n\r\n");
                  peer.send_without_end(std::string(64 * 1024, 'x'));
                },
                {}, 1'000'000),
            ErrorCode::request_too_large);
}

TEST(HostileOrigin, ChunksWithoutEnd) {
  const auto endless = [](const std::string& piece) {
    return [piece](OriginPeer& peer) {
      peer.send(chunked_head);
      peer.send_without_end(piece);
    };
  };
  EXPECT_EQ(outcome(endless("10000\r\n" + std::string(65536, 'x') + "\r\n"), {}, 1'000'000),
            ErrorCode::request_too_large);
  std::string small;
  for (int i = 0; i < 1000; ++i) small += "1;x=y\r\nx\r\n";
  EXPECT_EQ(outcome(endless(small), {}, 20'000), ErrorCode::request_too_large);
  // One chunk that is larger than the bound is refused at its size.
  EXPECT_EQ(outcome(
                [](OriginPeer& peer) {
                  peer.send(chunked_head + std::string("ffffffff\r\n"));
                  peer.wait_until_closed();
                },
                {}, 1'000'000),
            ErrorCode::request_too_large);
}

TEST(HostileOrigin, ChunksThatAreNotWellFormed) {
  for (const char* body :
       {"x\r\n", "-1\r\n", "0x5\r\n", "123456789\r\n", "1\nx\r\n", "1\r\nxy\r\n", "\r\n"}) {
    EXPECT_EQ(outcome(chunked_head + std::string(body)), ErrorCode::source_failed) << body;
  }
}

TEST(HostileOrigin, AHeadWithoutEnd) {
  const auto endless = [](const std::string& begin, const std::string& piece) {
    return outcome([&](OriginPeer& peer) {
      peer.send(begin);
      peer.send_without_end(piece);
    });
  };
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n", "X: y\r\n"), ErrorCode::source_failed);
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\nX: ", std::string(4096, 'y')), ErrorCode::source_failed);
  EXPECT_EQ(endless("HTTP/1.1 200 ", std::string(4096, 'y')), ErrorCode::source_failed);
}

TEST(HostileOrigin, FramingWithoutEnd) {
  const auto endless = [](const std::string& begin, const std::string& piece) {
    return outcome([&](OriginPeer& peer) {
      peer.send(chunked_head + begin);
      peer.send_without_end(piece);
    });
  };
  EXPECT_EQ(endless("1;", std::string(4096, 'x')), ErrorCode::source_failed);
  EXPECT_EQ(endless("0\r\n", "Trailer: x\r\n"), ErrorCode::source_failed);
  EXPECT_EQ(endless("0\r\nTrailer: ", std::string(4096, 'x')), ErrorCode::source_failed);
}

TEST(HostileOrigin, StallsBeforeTheHead) {
  const auto soon = [](SourcePolicy& policy) { policy.first_byte_time = milliseconds(150); };
  EXPECT_EQ(outcome([](OriginPeer& peer) { peer.wait_until_closed(); }, soon),
            ErrorCode::source_timed_out);
}

TEST(HostileOrigin, DripsTheHead) {
  const auto soon = [](SourcePolicy& policy) { policy.first_byte_time = milliseconds(200); };
  EXPECT_EQ(outcome(
                [](OriginPeer& peer) {
                  peer.send("HTTP/1.1 200 OK\r\nX: ");
                  peer.send_without_end("y", milliseconds(10));
                },
                soon),
            ErrorCode::source_timed_out);
}

const std::vector<std::string> begun_bodies = {
    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n1234",
    std::string(chunked_head) + "fffff\r\n1234",
    "HTTP/1.1 200 OK\r\n\r\n1234",
};

TEST(HostileOrigin, StallsInTheBody) {
  const auto soon = [](SourcePolicy& policy) { policy.stall_time = milliseconds(150); };
  for (const std::string& begun : begun_bodies) {
    EXPECT_EQ(outcome(
                  [&](OriginPeer& peer) {
                    peer.send(begun);
                    peer.wait_until_closed();
                  },
                  soon),
              ErrorCode::source_timed_out);
  }
}

TEST(HostileOrigin, DripsTheBody) {
  const auto soon = [](SourcePolicy& policy) { policy.stall_time = milliseconds(200); };
  for (const std::string& begun : begun_bodies) {
    EXPECT_EQ(outcome(
                  [&](OriginPeer& peer) {
                    peer.send(begun);
                    peer.send_without_end("x", milliseconds(10));
                  },
                  soon),
              ErrorCode::source_timed_out);
  }
}

// Framing is not progress.
TEST(HostileOrigin, DripsFraming) {
  const auto soon = [](SourcePolicy& policy) { policy.stall_time = milliseconds(200); };
  for (const char* begin : {"1;", "0\r\nTrailer: "}) {
    EXPECT_EQ(outcome(
                  [&](OriginPeer& peer) {
                    peer.send(chunked_head + std::string(begin));
                    peer.send_without_end("x", milliseconds(10));
                  },
                  soon),
              ErrorCode::source_timed_out)
        << begin;
  }
}

TEST(HostileOrigin, MakesProgressButNoEnd) {
  EXPECT_EQ(outcome(
                [](OriginPeer& peer) {
                  peer.send("HTTP/1.1 200 OK\r\n\r\n");
                  peer.send_without_end(std::string(2 * min_progress_bytes, 'x'), milliseconds(5));
                },
                [](SourcePolicy& policy) { policy.total_time = milliseconds(300); }),
            ErrorCode::source_timed_out);
}

// A reader that takes its time is not an origin that stalls.
TEST(HostileOrigin, IsNotBlamedForASlowReader) {
  const std::string body(128 * 1024, 'x');
  const HostileOrigin origin([&](OriginPeer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 131072\r\n\r\n" + body);
    peer.wait_until_closed();
  });
  SourcePolicy policy = policy_for(origin);
  policy.stall_time = milliseconds(1000);
  const auto source = open(url_of(origin), policy, no_bound, {});
  ASSERT_TRUE(source);
  // Past what came with the head, then less than counts as progress, slower than the stall time.
  std::vector<std::byte> piece(1024);
  for (std::size_t read = 0; read < 96 * 1024;) read += (*source)->read(piece).value();
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(milliseconds(400));
    const auto got = (*source)->read(piece);
    ASSERT_TRUE(got) << got.error().message;
  }
}

TEST(HostileOrigin, IsNotThere) {
  std::uint16_t port = 0;
  {
    const HostileOrigin gone([](OriginPeer&) {});
    port = gone.port();
  }
  SourcePolicy policy;
  policy.allowed_hosts = {"127.0.0.1:" + std::to_string(port), "gyre.invalid"};
  policy.allowed_networks = {"127.0.0.0/8"};
  policy.allow_plain_http = true;
  EXPECT_EQ(code_of(fetch("http://127.0.0.1:" + std::to_string(port) + "/", policy)),
            ErrorCode::source_failed);
  EXPECT_EQ(code_of(fetch("http://gyre.invalid/", policy)), ErrorCode::source_failed);
}

}  // namespace
}  // namespace gyre::source
