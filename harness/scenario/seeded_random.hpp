// Random bytes that one seed determines: for databases, absent keys and orders of a scenario or
// test.
#pragma once

#include <cstdint>

#include "core/random_source.hpp"

namespace gyre::scenario {

// ChaCha20 under a key made from the seed (libsodium's randombytes_buf_deterministic). Never for
// keys of a query: whoever knows the seed knows them. One thread at a time.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : seed_(seed) {}

  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override;

  // A number below `bound`, with a bias below bound / 2^64. REQUIRES: bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);

 private:
  const std::uint64_t seed_;
  std::uint64_t calls_ = 0;
};

}  // namespace gyre::scenario
