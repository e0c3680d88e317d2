// Requests that are too long: the documented error, and memory that stays bounded.
#include <gtest/gtest.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/integration/server/running_server.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Of the sanitizers' allocator; g++ comes without the header that declares it.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace gyre::server {
namespace {

constexpr std::size_t ten_mebibytes = 10 * 1024 * 1024;

// The most heap memory in use at once while it lives, bytes. What the allocator holds back after it
// was freed does not count: the sanitizers' quarantine alone is larger than any bound worth
// testing.
class HeapPeak {
 public:
  HeapPeak()
      : sampler_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            peak_ = std::max(peak_.load(), in_use());
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }) {}

  static std::size_t in_use() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return __sanitizer_get_current_allocated_bytes();
#else
    const struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
#endif
  }

  std::size_t peak() const {
    return peak_;
  }

 private:
  std::atomic<std::size_t> peak_ = 0;
  std::jthread sampler_;
};

std::string post_head(const std::string& length_header) {
  return "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n" +
         length_header + "\r\n\r\n";
}

class Oversized : public ::testing::Test {
 protected:
  // As many keys as by default, so that the bound on bodies is the one that is used.
  Oversized()
      : running_([](ServerConfiguration& c) { c.queries.max_keys = QueryLimits().max_keys; }) {
    running_.publish_table();
  }

  // Sends `start`, then `piece` again and again until so much was sent or the server has closed;
  // the answer can be read although the sender did not stop when it came.
  void expect_refusal(const std::string& start, const std::string& piece, std::size_t total,
                      int status = 413, const std::string& code = "request_too_large") {
    RawConnection connection(running_.port());
    bool open = connection.send(start);
    for (std::size_t sent = 0; open && sent < total; sent += piece.size())
      open = connection.send(piece);
    const auto response = connection.receive();
    ASSERT_TRUE(response) << "no answer";
    EXPECT_EQ(response->status, status);
    EXPECT_EQ(response->code(), code);
    EXPECT_EQ(response->header("connection"), "close");
  }

  RunningServer running_;
  const std::string piece_ = std::string(64 * 1024, 'x');
};

TEST_F(Oversized, ABodyWithItsLength) {
  expect_refusal(post_head("Content-Length: " + std::to_string(ten_mebibytes)), piece_,
                 ten_mebibytes);
  EXPECT_TRUE(running_.answers());
}

TEST_F(Oversized, ABodyWhoseLengthIsAbsurd) {
  expect_refusal(post_head("Content-Length: 999999999999999"), piece_, 0);
  expect_refusal(post_head("Content-Length: 18446744073709551616"), piece_, 0, 400,
                 "malformed_request");
}

TEST_F(Oversized, ABodyInChunks) {
  std::string chunk = "10000\r\n" + piece_ + "\r\n";
  expect_refusal(post_head("Transfer-Encoding: chunked"), chunk, ten_mebibytes);
  EXPECT_TRUE(running_.answers());
}

TEST_F(Oversized, ChunksOfOneByteWithoutEnd) {
  std::string chunks;
  while (chunks.size() < 64 * 1024) chunks += "1;extension=value\r\nx\r\n";
  expect_refusal(post_head("Transfer-Encoding: chunked"), chunks, ten_mebibytes);
}

TEST_F(Oversized, AChunkSizeWithoutEnd) {
  expect_refusal(post_head("Transfer-Encoding: chunked"), std::string(64 * 1024, '0'),
                 ten_mebibytes, 400, "malformed_request");
  expect_refusal(post_head("Transfer-Encoding: chunked") + "1;", piece_, ten_mebibytes);
}

TEST_F(Oversized, TrailersWithoutEnd) {
  expect_refusal(post_head("Transfer-Encoding: chunked") + "0\r\n", "Trailer: x\r\n",
                 8 * 1024 * 1024);
}

TEST_F(Oversized, ABodyWithoutAnyLength) {
  // Without a length there is no body: what follows is the next request, and not a well-formed one.
  RawConnection connection(running_.port());
  bool open = connection.send(
      "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n\r\n");
  for (std::size_t sent = 0; open && sent < ten_mebibytes; sent += piece_.size())
    open = connection.send(piece_);
  const auto first = connection.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 400);
  const auto second = connection.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->status, 413);
  EXPECT_TRUE(running_.answers());
}

TEST_F(Oversized, ABodyForAResourceThatDoesNotExist) {
  expect_refusal("POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                     std::to_string(ten_mebibytes) + "\r\n\r\n",
                 piece_, ten_mebibytes, 404, "not_found");
  expect_refusal("PUT /query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                 "10000\r\n" + piece_ + "\r\n", ten_mebibytes, 405, "method_not_allowed");
}

TEST_F(Oversized, HeaderFloods) {
  const std::string start = "GET /health HTTP/1.1\r\nHost: a\r\n";
  expect_refusal(start, "X: y\r\n", 1024 * 1024);                      // many
  expect_refusal(start + "X: ", std::string(4096, 'y'), 1024 * 1024);  // one that is huge
  expect_refusal("GET /", std::string(4096, 'y'), 1024 * 1024);        // a line without end
  expect_refusal(std::string(8192, 'G'), std::string(8192, 'G'),
                 1024 * 1024);  // a method without end
  std::string hundred = start;
  for (int i = 0; i < 100; ++i) hundred += "X: y\r\n";
  expect_refusal(hundred + "\r\n", "", 0);  // few bytes, many lines
  EXPECT_TRUE(running_.answers());
}

TEST_F(Oversized, ManyAtOnceDoNotAddUpInMemory) {
  constexpr std::size_t peers = 32;
  // Threads, their stacks and arenas first.
  const auto attack = [&](std::size_t bytes) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < peers; ++i) {
      threads.emplace_back([&, i] {
        if (i % 2 == 0) {
          expect_refusal(post_head("Content-Length: " + std::to_string(bytes)), piece_, bytes);
        } else {
          expect_refusal(post_head("Transfer-Encoding: chunked"), "10000\r\n" + piece_ + "\r\n",
                         bytes);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  attack(2 * 1024 * 1024);
  const std::size_t before = HeapPeak::in_use();
  const HeapPeak during;
  attack(ten_mebibytes);
  // Kept whole they would take 320 MiB.
  EXPECT_LT(during.peak(), before + std::size_t{80} * 1024 * 1024);
  EXPECT_TRUE(running_.answers());
}

TEST_F(Oversized, OneStatusHasOneReasonWhoeverAnswers) {
  // Refused by the listener before there is a request, and by the resource.
  const auto head = ask(running_.port(), get_request("/health", "X: " + piece_ + "\r\n"));
  const protocol::QueryRequest request{
      CurrentEpoch{}, std::vector<dpf::Key>(QueryLimits().max_keys + 1, running_.key())};
  const auto keys = ask(running_.port(), post_request("/query", "application/octet-stream",
                                                      encode(request, protocol::Encoding::binary)));
  ASSERT_TRUE(head && keys);
  EXPECT_EQ(head->status, 413);
  EXPECT_EQ(keys->status, 413);
  EXPECT_EQ(head->reason, keys->reason);
}

}  // namespace
}  // namespace gyre::server
