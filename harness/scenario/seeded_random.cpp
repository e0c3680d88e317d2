#include "harness/scenario/seeded_random.hpp"

#include <sodium.h>

#include <array>

#include "core/bytes.hpp"

namespace gyre::scenario {

Result<void> SeededRandom::fill(std::span<std::byte> out) {
  // Every call has a key of its own, made of the seed and the number of the call.
  static_assert(randombytes_SEEDBYTES == 32);
  std::array<std::byte, randombytes_SEEDBYTES> key{};
  store_little_endian(key.data(), seed_);
  store_little_endian(key.data() + 8, calls_++);
  randombytes_buf_deterministic(out.data(), out.size(),
                                reinterpret_cast<const unsigned char*>(key.data()));
  return {};
}

std::uint64_t SeededRandom::below(std::uint64_t bound) {
  std::array<std::byte, 8> bytes{};
  static_cast<void>(fill(bytes));
  // The high half of a 128-bit product: uniform but for a bias below bound / 2^64.
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(
      (Wide{load_little_endian<std::uint64_t>(bytes.data())} * bound) >> 64U);
}

}  // namespace gyre::scenario
