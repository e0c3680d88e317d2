// Keys of random parts: in the documented form, but of no generator. Expansion must not care.
#pragma once

#include "core/dpf/key.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::dpf {

inline Block random_block(SeededRandom& random) {
  const std::uint64_t low = random.word();
  const std::uint64_t high = random.word();
  return {.low = low, .high = high};
}

inline Key random_key(unsigned levels, SeededRandom& random) {
  Key key;
  key.party = static_cast<std::uint8_t>(random.word() & 1U);
  key.seed = random_block(random);
  for (unsigned level = 0; level < levels; ++level) {
    Block seed = random_block(random);
    seed.low &= ~std::uint64_t{1};
    key.levels.push_back({.seed = seed, .control = static_cast<std::uint8_t>(random.word() & 3U)});
  }
  key.value_correction = random_block(random);
  return key;
}

}  // namespace gyre::dpf
