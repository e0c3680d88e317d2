// Memory that comes and goes with every pass, kept for the next one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "backends/cpu/huge_buffer.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

// The first touch of fresh memory costs more than what is then done with it: more than expanding a
// key into it. What is kept still counts as used, until somebody else needs it: then the account
// takes it. It stays no longer than a few passes either, so that what one huge pass took does not
// lie there for ever. Its content stays: bytes of earlier passes. Thread-safe.
class KeptBuffers final : private MemoryKeeper {
 public:
  // So many times a buffer may be taken before all that is kept is freed and made anew, in the
  // sizes and the number that are in use then.
  static constexpr std::uint64_t most_takes = 64;

  explicit KeptBuffers(MemoryAccount& account) noexcept;
  ~KeptBuffers() override;
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

  // Room for at least that many bytes, of any content. Errors: out_of_memory.
  [[nodiscard]] Result<HugeBuffer> take(std::uint64_t bytes);
  void give_back(HugeBuffer buffer) noexcept;

 private:
  static constexpr std::size_t most_kept = 4;
  using Buffers = std::array<HugeBuffer, most_kept>;

  void release_unused() noexcept override;

  MemoryAccount& account_;
  std::mutex mutex_;
  std::uint64_t takes_ = 0;
  std::size_t kept_ = 0;
  Buffers buffers_;  // the first kept_ of them
};

}  // namespace gyre::cpu
