#include "harness/snapshot/ingest.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/crypto/sha256.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::snapshot {
namespace {

constexpr std::size_t chunk = digest_chunk_bytes;

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::vector<std::byte> bytes(count);
  SeededRandom random(seed);
  if (!random.fill(bytes)) throw std::logic_error("a test's random source does not fail");
  return bytes;
}

std::vector<Bytes32> digests_of(std::span<const std::byte> bytes) {
  ChunkDigester digester;
  digester.update(bytes);
  return digester.finish().chunks;
}

// A stream of bytes in pieces, and what came out at the other end.
struct Flow {
  explicit Flow(std::uint32_t row_bytes, std::vector<std::byte> bytes) : content(std::move(bytes)) {
    work.geometry = {content.size() / row_bytes, row_bytes, 1};
    work.read = [this](std::span<std::byte> out) -> Result<std::size_t> {
      const std::size_t count = std::min({out.size(), piece, content.size() - read});
      std::memcpy(out.data(), content.data() + read, count);
      read += count;
      return count;
    };
    work.write = [this](std::uint64_t first_row, std::span<const std::byte> rows) -> Result<void> {
      EXPECT_EQ(first_row * work.geometry.row_bytes, written.size());
      EXPECT_EQ(rows.size() % work.geometry.row_bytes, 0U);
      written.insert(written.end(), rows.begin(), rows.end());
      return {};
    };
  }
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  Result<ChunkDigester::Digests> operator()() { return ingest(work, reading, stop.get_token()); }

  Ingest work;
  std::vector<std::byte> content;
  std::vector<std::byte> written;
  std::size_t piece = chunk;
  std::size_t read = 0;
  std::stop_source reading;
  std::stop_source stop;
};

RC_GTEST_PROP(Ingest, WritesAndDigestsEveryByteOnce, ()) {
  const std::uint32_t row_bytes = 4 * *anywhere_in<std::uint32_t>(1, 16'385);
  const std::size_t rows = *anywhere_in<std::size_t>(1, 2 + 3 * chunk / row_bytes);
  Flow run(row_bytes, random_bytes(rows * row_bytes, *rc::gen::arbitrary<std::uint64_t>()));
  run.piece = *anywhere_in<std::size_t>(1000, 2 * chunk);
  const auto expected = digests_of(run.content);
  if (*rc::gen::arbitrary<bool>()) run.work.chunk_digests = expected;
  std::uint64_t counted = 0;
  bool all_written = false;
  run.work.progress = [&](std::uint64_t bytes) { counted += bytes; };
  run.work.all_written = [&] { all_written = counted == run.content.size(); };
  const auto digests = run();
  RC_ASSERT(digests);
  RC_ASSERT(run.written == run.content);
  RC_ASSERT(digests->chunks == expected);
  RC_ASSERT(digests->whole == crypto::sha256(run.content));
  RC_ASSERT(all_written);
  RC_ASSERT(!run.reading.stop_requested());
}

TEST(Ingest, AWrongChunkIsFoundAndStopsTheReader) {
  Flow run(32, random_bytes(3 * chunk, 1));
  const auto expected = digests_of(run.content);
  run.work.chunk_digests = expected;
  run.content[chunk + 5] ^= std::byte{1};
  const auto digests = run();
  EXPECT_EQ(code_of(digests), ErrorCode::digest_mismatch);
  EXPECT_NE(digests.error().message.find("chunk 1"), std::string::npos);
  EXPECT_TRUE(run.reading.stop_requested());
}

TEST(Ingest, TheLastChunkIsComparedThoughItIsShort) {
  Flow run(32, random_bytes(chunk + 64, 1));
  const auto expected = digests_of(run.content);
  run.work.chunk_digests = expected;
  run.content.back() ^= std::byte{1};
  EXPECT_EQ(code_of(run()), ErrorCode::digest_mismatch);
}

TEST(Ingest, AStreamOfAnotherLengthIsRefused) {
  const auto code_for = [](std::size_t bytes) {
    Flow run(32, random_bytes(2 * chunk, 1));
    run.content.resize(bytes);
    return code_of(run());
  };
  EXPECT_EQ(code_for(0), ErrorCode::empty_snapshot);
  EXPECT_EQ(code_for(2 * chunk - 32), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_for(2 * chunk - 1), ErrorCode::misaligned_size);
  EXPECT_EQ(code_for(2 * chunk + 32), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_for(2 * chunk), std::nullopt);
}

TEST(Ingest, AnEndlessStreamIsReadNoFurtherThanItMustBe) {
  Flow run(32, random_bytes(2 * chunk, 1));
  std::size_t given = 0;
  run.work.read = [&](std::span<std::byte> out) -> Result<std::size_t> {
    given += out.size();
    return out.size();
  };
  EXPECT_EQ(code_of(run()), ErrorCode::geometry_mismatch);
  EXPECT_EQ(given, 2 * chunk + 1);
}

TEST(Ingest, ErrorsOfTheSourceAndOfStagingAreItsOwn) {
  Flow source(32, random_bytes(3 * chunk, 1));
  const auto read = source.work.read;
  source.work.read = [&](std::span<std::byte> out) -> Result<std::size_t> {
    if (source.read >= chunk) return fail(ErrorCode::source_timed_out, "stalled");
    return read(out);
  };
  EXPECT_EQ(code_of(source()), ErrorCode::source_timed_out);

  Flow staging(32, random_bytes(8 * chunk, 1));
  staging.work.write = [](std::uint64_t, std::span<const std::byte>) -> Result<void> {
    return fail(ErrorCode::device_upload_failed, "no");
  };
  EXPECT_EQ(code_of(staging()), ErrorCode::device_upload_failed);
  EXPECT_TRUE(staging.reading.stop_requested());
}

// The reader waits for its origin, and nobody but the stop can wake it.
TEST(Ingest, StopsAReaderThatWaits) {
  for (const bool cancelled : {true, false}) {
    Flow run(32, random_bytes(3 * chunk, 1));
    const auto expected = digests_of(run.content);
    run.work.chunk_digests = expected;
    if (!cancelled) run.content[0] ^= std::byte{1};
    std::mutex mutex;
    std::condition_variable_any changed;
    bool waits = false;
    const auto read = run.work.read;
    run.work.read = [&](std::span<std::byte> out) -> Result<std::size_t> {
      if (run.read < chunk) return read(out);
      std::unique_lock lock(mutex);
      waits = true;
      changed.notify_all();
      changed.wait(lock, run.reading.get_token(), [] { return false; });
      return fail(ErrorCode::cancelled, "stopped");
    };
    std::jthread canceller;
    if (cancelled) {
      canceller = std::jthread([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return waits; });
        lock.unlock();
        run.stop.request_stop();
      });
    }
    EXPECT_EQ(code_of(run()), cancelled ? ErrorCode::cancelled : ErrorCode::digest_mismatch);
  }
}

TEST(Ingest, DoesNothingWhenItIsCancelledBeforehand) {
  Flow run(32, random_bytes(chunk, 1));
  run.stop.request_stop();
  EXPECT_EQ(code_of(run()), ErrorCode::cancelled);
  EXPECT_TRUE(run.written.empty());
}

}  // namespace
}  // namespace gyre::snapshot
