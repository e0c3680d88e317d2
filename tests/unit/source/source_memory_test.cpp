// Whatever an origin sends, and however much: memory stays at a few buffers.
#include <gtest/gtest.h>

#include "tests/support/code_of.hpp"
#include "tests/support/heap_peak.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

constexpr std::uint64_t much = std::uint64_t{64} << 20U;
// What threads, buffers and the test itself need, with room; a sixteenth of what is sent.
constexpr std::size_t little = std::size_t{4} << 20U;

// Reads and forgets. What is read must not pile up in the test either.
std::optional<ErrorCode> drain(const HostileOrigin& origin, std::uint64_t& bytes) {
  auto source = open(url_of(origin), policy_for(origin), much, {});
  if (!source) return source.error().code;
  std::string buffer(256 * 1024, '\0');
  while (true) {
    const auto got = (*source)->read(std::as_writable_bytes(std::span(buffer)));
    if (!got) return got.error().code;
    if (*got == 0) return std::nullopt;
    bytes += *got;
  }
}

void expect_little_memory(const std::string& begin, const std::string& piece, ErrorCode wanted,
                          std::uint64_t wanted_bytes) {
  const HostileOrigin origin([&](OriginPeer& peer) {
    peer.read_request();
    peer.send(begin);
    peer.send_without_end(piece);
  });
  const std::size_t before = HeapPeak::in_use();
  const HeapPeak during;
  std::uint64_t bytes = 0;
  EXPECT_EQ(drain(origin, bytes), wanted);
  EXPECT_GE(bytes, wanted_bytes);
  EXPECT_LE(bytes, much);
  EXPECT_LT(during.peak(), before + little);
}

TEST(SourceMemory, OfAHeadWithoutEnd) {
  expect_little_memory("HTTP/1.1 200 OK\r\n", "X: " + std::string(64 * 1024, 'y'),
                       ErrorCode::source_failed, 0);
}

TEST(SourceMemory, OfABodyWithoutEnd) {
  expect_little_memory("HTTP/1.1 200 OK\r\n\r\n", std::string(256 * 1024, 'x'),
                       ErrorCode::request_too_large, much - 1);
}

TEST(SourceMemory, OfChunksWithoutEnd) {
  expect_little_memory("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                       "3FFFD\r\n" + std::string(0x3fffd, 'x') + "\r\n",
                       ErrorCode::request_too_large, much - 0x3fffd);
}

TEST(SourceMemory, OfAnExtensionWithoutEnd) {
  expect_little_memory("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                       std::string(64 * 1024, 'x'), ErrorCode::source_failed, 0);
}

TEST(SourceMemory, OfTrailersWithoutEnd) {
  expect_little_memory("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                       "Trailer: x\r\n", ErrorCode::source_failed, 0);
}

}  // namespace
}  // namespace gyre::source
