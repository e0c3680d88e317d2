// Memory that comes and goes with every pass, kept for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "backends/cpu/huge_buffer.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

// The first touch of fresh memory costs more than what is then done with it: more than expanding a
// key into it. What is kept still counts as used. Its content stays: bytes of earlier passes.
// Thread-safe.
class KeptBuffers {
 public:
  explicit KeptBuffers(MemoryAccount& account) noexcept : account_(account) {}

  // At least that many bytes, of any content. Errors: out_of_memory.
  [[nodiscard]] Result<HugeBuffer> take(std::uint64_t bytes);
  void give_back(HugeBuffer buffer) noexcept;

 private:
  static constexpr std::size_t most_kept = 4;

  MemoryAccount& account_;
  std::mutex mutex_;
  std::size_t kept_ = 0;
  HugeBuffer buffers_[most_kept];
};

}  // namespace gyre::cpu
