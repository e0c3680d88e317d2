// A source of random bytes that gives the same bytes again for the same seed. For tests only.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>

#include "core/random_source.hpp"

namespace gyre {

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : words_(seed) {}

  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t word = words_();
      const std::size_t n = out.size() < sizeof(word) ? out.size() : sizeof(word);
      std::memcpy(out.data(), &word, n);
      out = out.subspan(n);
    }
    return {};
  }

  // The next 64 bits.
  [[nodiscard]] std::uint64_t word() { return words_(); }

 private:
  std::mt19937_64 words_;
};

}  // namespace gyre
