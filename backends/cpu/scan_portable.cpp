// The kernel that runs everywhere: 64-bit words.
#include "backends/cpu/octets_generic.hpp"
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

  static constexpr bool rows_are_queries = true;
  static void arrange_64(const std::uint8_t* const (&bits)[octet_queries],
                         const std::uint64_t (&first_bits)[8], std::uint64_t at,
                         std::uint64_t* matrices) noexcept {
    arrange_64_strings<Portable>(bits, first_bits, at, matrices);
  }
  static constexpr std::size_t octets_at_once = 1;
  static constexpr std::size_t block_columns = second_cache_columns;
  static constexpr std::size_t block_bytes = second_cache_bytes;

  static void transpose(const Lanes& lanes, std::uint8_t* columns) noexcept {
    std::uint8_t rows[64];
    transpose_bytes(lanes, rows);
    transpose_bits(rows, columns);
  }
  static void transpose_bytes(Lanes lanes, std::uint8_t* out) noexcept {
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
    __builtin_memcpy(out, x, 64);
  }
  static void transpose_bits(const std::uint8_t* in, std::uint8_t* out) noexcept {
    for (std::size_t i = 0; i < 64; i += 8) {
      std::uint64_t word = load_64(in + i);
      word = swap_within(word, 7, 0x00aa00aa00aa00aaU);
      word = swap_within(word, 14, 0x0000cccc0000ccccU);
      word = swap_within(word, 28, 0x00000000f0f0f0f0U);
      __builtin_memcpy(out + i, &word, sizeof word);
    }
  }
};

// The parity of each byte, in its lowest bit.
inline std::uint64_t parities(std::uint64_t bytes) noexcept {
  bytes ^= bytes >> 4U;
  bytes ^= bytes >> 2U;
  bytes ^= bytes >> 1U;
  return bytes & 0x0101010101010101U;
}

// Masks: a query's selection byte is ANDed to the column bytes and added up for all items; what is
// left of a query is the parity of every byte of its sum.
void accumulate_octet_by_masks(const OctetScan& scan) noexcept {
  if (scan.octets == 0) return;
  for (std::size_t at = 0; at < scan.columns; at += Words::bytes) {
    Words::Type sums[octet_queries] = {};
    for (std::size_t i = 0; i < scan.item_count; ++i) {
      const Words::Type columns = Words::load(scan.items + i * scan.item_stride + at);
      const std::uint64_t matrix = scan.matrices[i];
      for (std::size_t query = 0; query < octet_queries; ++query) {
        const auto selection = static_cast<std::uint8_t>(matrix >> (8 * row_of_query(query)));
        sums[query] = Words::xor_and(sums[query], columns, Words::broadcast(selection));
      }
    }
    Words::Type octet = Words::load(scan.accumulators + at);
    for (std::size_t query = 0; query < octet_queries; ++query) {
      for (std::size_t w = 0; w < 4; ++w) octet.word[w] ^= parities(sums[query].word[w]) << query;
    }
    Words::store(scan.accumulators + at, octet);
  }
}

}  // namespace

constinit const ScanFunctions portable_scan_functions =
    functions_of<Portable, &accumulate_octet_by_masks>;

}  // namespace gyre::cpu
