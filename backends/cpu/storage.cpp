#include "backends/cpu/storage.hpp"

#include <new>
#include <utility>

namespace gyre::cpu {

std::uint64_t Storage::bytes_for(const InterleavedLayout& layout) noexcept {
  std::uint64_t total = HugeBuffer::mapped_bytes_for(layout.tail_bytes());
  for (std::uint64_t chunk = 0; chunk < layout.chunks(); ++chunk) {
    total += HugeBuffer::mapped_bytes_for(layout.chunk_bytes(chunk));
  }
  return total;
}

Result<Storage> Storage::allocate(const InterleavedLayout& layout, MemoryReservation& reservation) {
  try {
    Storage storage;
    storage.chunks.reserve(layout.chunks());
    for (std::uint64_t chunk = 0; chunk < layout.chunks(); ++chunk) {
      auto buffer = HugeBuffer::allocate(layout.chunk_bytes(chunk), reservation);
      if (!buffer) return forward_error(buffer);
      storage.chunks.push_back(std::make_shared<HugeBuffer>(std::move(*buffer)));
    }
    auto tail = HugeBuffer::allocate(layout.tail_bytes(), reservation);
    if (!tail) return forward_error(tail);
    storage.tail = std::make_shared<HugeBuffer>(std::move(*tail));
    return storage;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the list of an image's chunks");
  }
}

std::uint64_t Storage::mapped_bytes() const noexcept {
  std::uint64_t total = tail->mapped_bytes();
  for (const auto& chunk : chunks) total += chunk->mapped_bytes();
  return total;
}

}  // namespace gyre::cpu
