// Selection bits to matrices and column bytes back to bytes, for every instruction set. Included as
// backends/cpu/scan_generic.hpp is, whose words these are; an instruction set has also
//   transpose_bytes(lanes, out): byte i of 64-bit word l of `lanes` to byte l of word i of `out`
//   transpose_bits(in, out): each of eight 64-bit words as an 8 x 8 bit matrix, transposed
//   arrange_64(bits, first_bits, from, matrices): arrange_strings() for 64 items, unless it has its
//   own arrange_strings()
//   octets_at_once, block_columns, block_bytes: what ScanFunctions says of them
//   rows_are_queries: how it takes its matrices. True: byte 7 - q of a matrix is query q's
//   selection byte, a bit a page (GFNI counts a matrix's rows from the last byte). False: byte p is
//   page p's, bit q of it query q's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/scan_generic.hpp"

namespace gyre::cpu {
namespace {

// 64 bits from bit number `bit` on. Reads nine bytes.
inline std::uint64_t load_string(const std::uint8_t* bits, std::uint64_t bit) noexcept {
  const std::uint8_t* const at = bits + bit / 8;
  const auto shift = static_cast<unsigned>(bit % 8);
  // Two shifts, since one of 64 is not defined.
  return (load_64(at) >> shift) | ((std::uint64_t{at[8]} << 1U) << (63U - shift));
}

// Eight matrices from eight words, each with a byte for each of the matrices; the words in the
// order of the matrix's bytes. Writes only the first `count` of them.
template <typename Isa>
void store_matrices(const Lanes& words, std::size_t count, std::uint64_t* matrices) noexcept {
  std::uint8_t eight[64];
  Isa::transpose_bytes(words, eight);
  __builtin_memcpy(matrices, eight, 8 * (count < 8 ? count : 8));
}

// Where a query's selection bytes go in a matrix whose rows are queries.
inline constexpr std::size_t row_of_query(std::size_t query) noexcept {
  return 7 - query;
}

// Matrices of 64 items, by the rearrangements that every instruction set has.
template <typename Isa>
void arrange_64_strings(const std::uint8_t* const (&bits)[octet_queries],
                        const std::uint64_t (&first_bits)[8], std::uint64_t at,
                        std::uint64_t* matrices) noexcept {
  // rows[r]: of each item the byte r of its matrix.
  std::uint8_t rows[8][64];
  for (std::size_t row = 0; row < 8; ++row) {
    Lanes strings;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) {
      const std::size_t query = Isa::rows_are_queries ? row_of_query(row) : i;
      const std::size_t page = Isa::rows_are_queries ? i : row;
      strings.page[i] = load_string(bits[query], first_bits[page] + at);
    }
    Isa::transpose(strings, rows[row]);
  }
  for (std::size_t i = 0; i < 64; i += 8) {
    Lanes words;
#pragma GCC unroll 8
    for (std::size_t row = 0; row < 8; ++row) words.page[row] = load_64(rows[row] + i);
    store_matrices<Isa>(words, 8, matrices + i);
  }
}

template <typename Isa>
void arrange_strings(const std::uint8_t* const (&bits)[octet_queries],
                     const std::uint64_t (&first_bits)[8], std::uint64_t from, std::size_t count,
                     std::uint64_t* matrices) noexcept {
  std::size_t at = 0;
  for (; at + 64 <= count; at += 64) Isa::arrange_64(bits, first_bits, from + at, matrices + at);
  if (at < count) {
    std::uint64_t last[64];
    Isa::arrange_64(bits, first_bits, from + at, last);
    __builtin_memcpy(matrices + at, last, 8 * (count - at));
  }
}

template <typename Isa>
void arrange_bytes(const std::uint8_t* const (&selections)[octet_queries], std::size_t count,
                   std::uint64_t* matrices) noexcept {
  for (std::size_t i = 0; i < count; i += 8) {
    Lanes words;
#pragma GCC unroll 8
    for (std::size_t query = 0; query < octet_queries; ++query) {
      const std::size_t row = Isa::rows_are_queries ? row_of_query(query) : query;
      words.page[row] = load_64(selections[query] + i);
    }
    if constexpr (Isa::rows_are_queries) {
      store_matrices<Isa>(words, count - i, matrices + i);
    } else {
      std::uint8_t by_query[64];
      std::uint8_t by_page[64];
      Isa::transpose_bytes(words, by_query);
      Isa::transpose_bits(by_query, by_page);
      __builtin_memcpy(matrices + i, by_page, 8 * (count - i < 8 ? count - i : 8));
    }
  }
}

template <typename Isa>
void arrange_pages(const std::uint8_t* selections, std::size_t count,
                   std::uint64_t* matrices) noexcept {
  if constexpr (Isa::rows_are_queries) {
    for (std::size_t i = 0; i < count; i += 8) {
      const std::size_t some = count - i < 8 ? count - i : 8;
      std::uint8_t by_page[64] = {};
      std::uint8_t by_query[64];
      __builtin_memcpy(by_page, selections + 8 * i, 8 * some);
      Isa::transpose_bits(by_page, by_query);
      for (std::size_t item = 0; item < some; ++item) {
        static_assert(row_of_query(0) == 7);
        matrices[i + item] = __builtin_bswap64(load_64(by_query + 8 * item));
      }
    }
  } else {
    __builtin_memcpy(matrices, selections, 8 * count);
  }
}

// What stays in the second-level cache while every set of octets uses it: columns in runs long
// enough for the memory, with room beside them for matrices and accumulators.
inline constexpr std::size_t second_cache_columns = 4096;
inline constexpr std::size_t second_cache_bytes = std::size_t{128} << 10U;

template <typename Isa>
void separate(const std::uint8_t* columns, std::size_t bytes, std::uint8_t* pages,
              std::size_t page_stride) noexcept {
  for (std::size_t at = 0; at < bytes; at += 8) {
    const std::size_t some = bytes - at < 8 ? bytes - at : 8;
    std::uint8_t eight[64] = {};
    std::uint8_t turned[64];
    __builtin_memcpy(eight, columns + 8 * at, 8 * some);
    Isa::transpose_bits(eight, turned);
    Lanes words;
#pragma GCC unroll 8
    for (std::size_t b = 0; b < 8; ++b) words.page[b] = load_64(turned + 8 * b);
    Isa::transpose_bytes(words, eight);
    for (std::size_t p = 0; p < 8; ++p) {
      __builtin_memcpy(pages + p * page_stride + at, eight + 8 * p, some);
    }
  }
}

// Items that are added up before going on to the next columns: so many that accumulators are seldom
// loaded and stored, few enough for what is made of them to stay in the first-level cache. Of wide
// items fewer: the same columns of all of them lie in one set of that cache, and more than its ways
// would drive out the lines that the hardware fetches for the next columns.
inline constexpr std::size_t most_items_of_sweep = 64;
inline std::size_t items_of_sweep(const OctetScan& scan) noexcept {
  constexpr std::size_t wide_columns = 1024;
  constexpr std::size_t wide_items_of_sweep = 8;
  return scan.columns >= wide_columns ? wide_items_of_sweep : most_items_of_sweep;
}

// What a tile of columns asks for while it is scanned: its share of the next block's lines.
class Ahead {
 public:
  Ahead(const OctetScan& scan, std::size_t first_column, std::size_t columns) noexcept
      : next_(scan.items), stride_(scan.ahead_stride), step_(64 * scan.ahead_parts) {
    if (scan.ahead == nullptr) return;
    const std::size_t first_line = first_column / 64;
    // Narrow: this division is made for every few items of wide rows.
    const std::size_t in_turn =
        static_cast<std::uint32_t>(first_line) % static_cast<std::uint32_t>(scan.ahead_parts);
    const std::size_t skipped = in_turn <= scan.ahead_part
                                    ? scan.ahead_part - in_turn
                                    : scan.ahead_part + scan.ahead_parts - in_turn;
    next_ = scan.ahead + 64 * (first_line + skipped);
    const std::size_t end = first_column + columns - 64 * first_line;
    if (end > 64 * skipped) bytes_ = end - 64 * skipped;
  }

  void skip(std::size_t items) noexcept { next_ += items * stride_; }

  void ask_for_next_items(std::size_t items) noexcept {
    if (bytes_ == 0) return;
    for (std::size_t i = 0; i < items; ++i) {
      for (std::size_t at = 0; at < bytes_; at += step_) __builtin_prefetch(next_ + at, 0, 2);
      next_ += stride_;
    }
  }

 private:
  const std::uint8_t* next_;
  std::size_t bytes_ = 0;  // from the first line that is this tile's to ask for
  std::size_t stride_;
  std::size_t step_;
};

template <typename Isa, void (*accumulate_octets)(const OctetScan&) noexcept,
          decltype(ScanFunctions::arrange_strings) arrange = &arrange_strings<Isa>>
inline constexpr ScanFunctions functions_of = {
    .accumulate = &accumulate<Isa>,
    .interleave = &interleave<Isa>,
    .separate = &separate<Isa>,
    .interleave_bits = &interleave_bits<Isa>,
    .xor_selected = &xor_selected<Isa>,
    .arrange_strings = arrange,
    .arrange_bytes = &arrange_bytes<Isa>,
    .arrange_pages = &arrange_pages<Isa>,
    .accumulate_octets = accumulate_octets,
    .octets_at_once = Isa::octets_at_once,
    .block_columns = Isa::block_columns,
    .block_bytes = Isa::block_bytes,
};

}  // namespace
}  // namespace gyre::cpu
