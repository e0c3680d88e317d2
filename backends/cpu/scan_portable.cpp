// The kernel that runs everywhere: 64-bit words.
#include "backends/cpu/scan_generic.hpp"

namespace gyre::cpu {
namespace {

struct Words {
  static constexpr std::size_t bytes = 32;
  struct Type {
    std::uint64_t word[4];
  };

  static Type load(const std::uint8_t* from) noexcept {
    Type value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  static void store(std::uint8_t* to, const Type& value) noexcept {
    __builtin_memcpy(to, &value, sizeof value);
  }
  static Type broadcast(std::uint8_t byte) noexcept {
    const std::uint64_t word = byte * 0x0101010101010101U;
    return {{word, word, word, word}};
  }
  static Type xor_and(const Type& sum, const Type& data, const Type& selected) noexcept {
    Type result;
    for (int i = 0; i < 4; ++i) result.word[i] = sum.word[i] ^ (data.word[i] & selected.word[i]);
    return result;
  }
};

// Swaps the bits of `mask` in low with those `shift` higher in high.
inline void swap_between(std::uint64_t& low, std::uint64_t& high, unsigned shift,
                         std::uint64_t mask) noexcept {
  const std::uint64_t difference = ((low >> shift) ^ high) & mask;
  high ^= difference;
  low ^= difference << shift;
}

inline std::uint64_t swap_within(std::uint64_t value, unsigned shift, std::uint64_t mask) noexcept {
  const std::uint64_t difference = (value ^ (value >> shift)) & mask;
  return value ^ difference ^ (difference << shift);
}

struct Portable {
  using Vector = Words;
  using Half = Words;
  static constexpr std::size_t register_vectors = 2;
  static constexpr std::size_t streams = 2;

  static void transpose(Lanes lanes, std::uint8_t* columns) noexcept {
    // First the bytes as an 8 x 8 matrix, then the bits of each of its rows.
    std::uint64_t* const x = lanes.page;
    for (std::size_t i = 0; i < 4; ++i) {
      swap_between(x[i], x[i + 4], 32, 0x00000000ffffffffU);
    }
    for (std::size_t i = 0; i < 8; i += 4) {
      swap_between(x[i], x[i + 2], 16, 0x0000ffff0000ffffU);
      swap_between(x[i + 1], x[i + 3], 16, 0x0000ffff0000ffffU);
    }
    for (std::size_t i = 0; i < 8; i += 2) {
      swap_between(x[i], x[i + 1], 8, 0x00ff00ff00ff00ffU);
    }
    for (std::size_t i = 0; i < 8; ++i) {
      x[i] = swap_within(x[i], 7, 0x00aa00aa00aa00aaU);
      x[i] = swap_within(x[i], 14, 0x0000cccc0000ccccU);
      x[i] = swap_within(x[i], 28, 0x00000000f0f0f0f0U);
    }
    __builtin_memcpy(columns, x, 64);
  }
};

}  // namespace

constinit const ScanFunctions portable_scan_functions = functions_of<Portable>;

}  // namespace gyre::cpu
