#include "harness/snapshot/ingest.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/fault_point.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/snapshot/chunk_ring.hpp"

namespace gyre::snapshot {
namespace {

enum Reader : std::size_t { writer_of_rows, digester_of_chunks, digester_of_whole, readers };

Error no_memory() {
  return {ErrorCode::out_of_memory, "there is not enough memory, or no thread, to read a snapshot"};
}

Result<void> check_chunk(std::size_t chunk, const Bytes32& digest,
                         std::span<const Bytes32> expected) {
  GYRE_FAULT_POINT(source_digest);
  if (expected.empty() || (chunk < expected.size() && digest == expected[chunk])) return {};
  return fail(ErrorCode::digest_mismatch,
              "chunk " + std::to_string(chunk) +
                  " of the rows does not have the digest that the manifest says; copy or build the "
                  "snapshot again");
}

// One ingest under way.
class Pipeline {
 public:
  Pipeline(const Ingest& work, std::stop_source& reading)
      : work_(work), reading_(reading), ring_(digest_chunk_bytes, readers) {
    digests_.chunks.reserve(
        static_cast<std::size_t>(divide_rounding_up(work.geometry.bytes(), digest_chunk_bytes)));
  }

  Result<ChunkDigester::Digests> run(const std::stop_token& stop) {
    {
      std::vector<std::jthread> threads;
      threads.reserve(readers);
      // Before the threads are joined, whatever happens: none waits for another that is not there.
      Ending ending(*this);
      const std::stop_callback on_stop(stop, [this] {
        give_up({ErrorCode::cancelled, "the rotation was cancelled"});
      });
      threads.emplace_back([this] { guarded([this] { return read_all(); }); });
      threads.emplace_back([this] { guarded([this] { return digest_chunks(); }); });
      threads.emplace_back([this] { guarded([this] { return digest_whole(); }); });
      guarded([this] { return write_all(); });
      if (!failed()) {
        work_.all_written();
        for (std::jthread& thread : threads) thread.join();
        ending.regular = true;
      }
    }
    const std::lock_guard lock(mutex_);
    if (error_) return tl::unexpected<Error>(std::move(*error_));
    return std::move(digests_);
  }

 private:
  struct Ending {
    Pipeline& pipeline;
    bool regular = false;
    explicit Ending(Pipeline& ended) : pipeline(ended) {}
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() {
      pipeline.ring_.fail();
      if (!regular) pipeline.reading_.request_stop();
    }
  };

  // The first error is what people see; the others follow from it.
  void give_up(Error error) {
    {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::move(error);
    }
    ring_.fail();
    reading_.request_stop();
  }
  [[nodiscard]] bool failed() {
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }

  template <typename Step>
  void guarded(const Step& step) noexcept {
    try {
      if (Result<void> done = step(); !done) give_up(std::move(done.error()));
    } catch (const std::bad_alloc&) {
      give_up(no_memory());
    } catch (const std::exception&) {
      give_up({ErrorCode::internal, "reading a snapshot failed in a way that is a defect of Gyre"});
    }
  }

  Result<void> read_all() {
    const std::uint64_t total = work_.geometry.bytes();
    for (std::uint64_t done = 0; done < total;) {
      const std::span<std::byte> room = ring_.begin_write();
      if (room.empty()) return {};
      const auto wanted =
          room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), total - done)));
      for (std::size_t filled = 0; filled < wanted.size();) {
        auto got = work_.read(wanted.subspan(filled));
        if (!got) return forward_error(got);
        if (*got == 0) return check_length(done + filled, work_.geometry);
        filled += *got;
      }
      done += wanted.size();
      ring_.end_write(wanted.size());
    }
    std::array<std::byte, 1> beyond{};
    auto got = work_.read(beyond);
    if (!got) return forward_error(got);
    if (*got != 0) {
      return fail(ErrorCode::geometry_mismatch, "there are more than the " + std::to_string(total) +
                                                    " bytes that rows times row_bytes make");
    }
    ring_.finish();
    return {};
  }

  Result<void> digest_chunks() {
    for (auto chunk = ring_.begin_read(digester_of_chunks); !chunk.empty();
         chunk = ring_.begin_read(digester_of_chunks)) {
      const Bytes32 digest = crypto::sha256(chunk);
      ring_.end_read(digester_of_chunks);
      auto checked = check_chunk(digests_.chunks.size(), digest, work_.chunk_digests);
      if (!checked) return checked;
      digests_.chunks.push_back(digest);
    }
    return {};
  }

  Result<void> digest_whole() {
    crypto::Sha256Stream stream;
    for (auto chunk = ring_.begin_read(digester_of_whole); !chunk.empty();
         chunk = ring_.begin_read(digester_of_whole)) {
      stream.update(chunk);
      ring_.end_read(digester_of_whole);
    }
    digests_.whole = stream.finish();
    return {};
  }

  Result<void> write_all() {
    const std::size_t row_bytes = work_.geometry.row_bytes;
    std::vector<std::byte> begun;  // the part of a row that the chunk before ended with
    begun.reserve(row_bytes);
    std::uint64_t next_row = 0;
    for (auto chunk = ring_.begin_read(writer_of_rows); !chunk.empty();
         chunk = ring_.begin_read(writer_of_rows)) {
      auto rest = chunk;
      if (!begun.empty()) {
        const auto missing = rest.first(std::min(row_bytes - begun.size(), rest.size()));
        begun.insert(begun.end(), missing.begin(), missing.end());
        rest = rest.subspan(missing.size());
        if (begun.size() == row_bytes) {
          if (auto written = work_.write(next_row, begun); !written) return written;
          ++next_row;
          begun.clear();
        }
      }
      const std::size_t rows = rest.size() / row_bytes;
      if (rows > 0) {
        auto written = work_.write(next_row, rest.first(rows * row_bytes));
        if (!written) return written;
        next_row += rows;
        rest = rest.subspan(rows * row_bytes);
      }
      begun.insert(begun.end(), rest.begin(), rest.end());
      work_.progress(chunk.size());
      ring_.end_read(writer_of_rows);
    }
    return {};
  }

  const Ingest& work_;
  std::stop_source& reading_;
  ChunkRing ring_;
  std::mutex mutex_;
  std::optional<Error> error_;
  ChunkDigester::Digests digests_;  // each part by its own thread, read when they have ended
};

}  // namespace

Result<void> check_length(std::uint64_t bytes, const Geometry& geometry) {
  if (bytes == geometry.bytes()) return {};
  if (bytes == 0) return fail(ErrorCode::empty_snapshot, "the rows file is empty");
  if (bytes % geometry.row_bytes != 0) {
    return fail(ErrorCode::misaligned_size, "the rows file has " + std::to_string(bytes) +
                                                " bytes, no multiple of row_bytes (" +
                                                std::to_string(geometry.row_bytes) + ")");
  }
  return fail(ErrorCode::geometry_mismatch, "the rows file has " + std::to_string(bytes) +
                                                " bytes; rows times row_bytes make " +
                                                std::to_string(geometry.bytes()));
}

Result<ChunkDigester::Digests> ingest(const Ingest& work, std::stop_source& reading,
                                      const std::stop_token& stop) try {
  GYRE_FAULT_POINT(ingest_start);
  return Pipeline(work, reading).run(stop);
} catch (const std::exception&) {
  return tl::unexpected<Error>(no_memory());
}

}  // namespace gyre::snapshot
