// Arrays one behind the other in one piece of memory.
#pragma once

#include <cstdint>
#include <optional>

#include "core/bytes.hpp"

namespace gyre::cpu {

// Hands them out, each from a cache line on; without memory it only counts. Sizes may be anything.
class MemoryPieces {
 public:
  explicit MemoryPieces(std::uint8_t* memory) noexcept : memory_(memory) {}

  // The next array, of so many; null without memory. REQUIRES: what used() says once all are taken,
  // if there is memory.
  template <typename T>
  T* take(std::optional<std::uint64_t> count) noexcept {
    std::uint8_t* const piece = memory_ == nullptr ? nullptr : memory_ + used_.value_or(0);
    if (count) count = checked_multiply(*count, sizeof(T));
    if (count) count = checked_add(*count, cache_line_bytes - 1);
    const std::uint64_t bytes = count.value_or(0) / cache_line_bytes * cache_line_bytes;
    used_ = count && used_ ? checked_add(*used_, bytes) : std::nullopt;
    return reinterpret_cast<T*>(piece);
  }
  // Bytes of all so far; nothing if there is no such size.
  [[nodiscard]] std::optional<std::uint64_t> used() const noexcept { return used_; }

 private:
  static constexpr std::uint64_t cache_line_bytes = 64;

  std::uint8_t* memory_;
  std::optional<std::uint64_t> used_ = 0;
};

}  // namespace gyre::cpu
