#include "harness/snapshot/chunk_ring.hpp"

#include <algorithm>

namespace gyre::snapshot {

ChunkRing::ChunkRing(std::size_t chunk_bytes, std::size_t readers) : read_(readers, 0) {
  for (Slot& slot : slots_) slot.bytes.resize(chunk_bytes);
}

std::uint64_t ChunkRing::slowest() const noexcept {
  return *std::min_element(read_.begin(), read_.end());
}

std::span<std::byte> ChunkRing::begin_write() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return failed_ || written_ - slowest() < slots; });
  if (failed_) return {};
  return slots_[written_ % slots].bytes;
}

void ChunkRing::end_write(std::size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    slots_[written_ % slots].used = bytes;
    ++written_;
  }
  changed_.notify_all();
}

void ChunkRing::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

std::span<const std::byte> ChunkRing::begin_read(std::size_t reader) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || finished_ || read_[reader] < written_; });
  if (failed_ || read_[reader] == written_) return {};
  const Slot& slot = slots_[read_[reader] % slots];
  return std::span(slot.bytes).first(slot.used);
}

void ChunkRing::end_read(std::size_t reader) {
  {
    const std::lock_guard lock(mutex_);
    ++read_[reader];
  }
  changed_.notify_all();
}

void ChunkRing::fail() noexcept {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  changed_.notify_all();
}

}  // namespace gyre::snapshot
