// Chunks on their way from one writer to several readers, each of which sees all of them in order.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace gyre::snapshot {

// Memory is bounded: `slots` chunks, so that the slowest reader holds back the writer. Thread-safe,
// with one thread at a time as the writer and as each reader.
class ChunkRing {
 public:
  static constexpr std::size_t slots = 4;

  // Throws std::bad_alloc.
  ChunkRing(std::size_t chunk_bytes, std::size_t readers);

  // Room for the next chunk, once there is some; empty after fail().
  [[nodiscard]] std::span<std::byte> begin_write();
  void end_write(std::size_t bytes);
  // There are no more chunks.
  void finish();

  // The next chunk, once there is one; empty after the last one and after fail().
  [[nodiscard]] std::span<const std::byte> begin_read(std::size_t reader);
  void end_read(std::size_t reader);

  // Nobody waits any more.
  void fail() noexcept;

 private:
  [[nodiscard]] std::uint64_t slowest() const noexcept;

  struct Slot {
    std::vector<std::byte> bytes;
    std::size_t used = 0;
  };

  std::array<Slot, slots> slots_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t written_ = 0;        // chunks
  std::vector<std::uint64_t> read_;  // chunks, of each reader
  bool finished_ = false;
  bool failed_ = false;
};

}  // namespace gyre::snapshot
