// Scanning for octets of queries without GFNI: what a matrix makes of a byte is the XOR of what it
// makes of its two halves, each looked up in a table of 16 entries with one byte shuffle. Included
// as backends/cpu/scan_generic.hpp is, by instruction sets that have AVX2; one has also
//   octets_at_once: accumulators of so many octets stay in registers, beside
//   tile_vectors(octets): vectors of columns.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "backends/cpu/octets_generic.hpp"
#include "backends/cpu/scan_ymm.hpp"

namespace gyre::cpu {
namespace {

// The low half's table, then the high half's.
inline constexpr std::size_t table_bytes = 32;

// Entry n of the low table: the XOR of those of bytes 0 … 3 of the matrix whose bit in n is set; of
// the high table, bytes 4 … 7.
inline void make_tables(std::uint64_t matrix, std::uint8_t* tables) noexcept {
  constexpr char none = -1;
  const __m256i bytes = _mm256_set1_epi64x(static_cast<long long>(matrix));
  // Four entries for each pair of bytes (a, b): 0, a, b, a ^ b.
  const __m256i first = _mm256_setr_epi8(                                                  //
      none, 0, none, 0, none, 2, none, 2, none, none, none, none, none, none, none, none,  //
      none, 4, none, 4, none, 6, none, 6, none, none, none, none, none, none, none, none);
  const __m256i second = _mm256_setr_epi8(                                                 //
      none, none, 1, 1, none, none, 3, 3, none, none, none, none, none, none, none, none,  //
      none, none, 5, 5, none, none, 7, 7, none, none, none, none, none, none, none, none);
  const __m256i pairs =
      _mm256_xor_si256(_mm256_shuffle_epi8(bytes, first), _mm256_shuffle_epi8(bytes, second));
  const __m256i low_bits =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3));
  const __m256i high_bits =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7));
  Ymm::store(tables, _mm256_xor_si256(_mm256_shuffle_epi8(pairs, low_bits),
                                      _mm256_shuffle_epi8(pairs, high_bits)));
}

// `vectors` vectors of columns from column `at` on for `octets` octets.
template <typename Vector, std::size_t vectors, std::size_t octets>
void accumulate_tile_by_tables(const OctetScan& scan, std::size_t at, std::size_t first_item,
                               std::size_t items, const std::uint8_t* tables) noexcept {
  typename Vector::Type sums[octets][vectors];
#pragma GCC unroll 8
  for (std::size_t o = 0; o < octets; ++o) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      sums[o][v] =
          Vector::load(scan.accumulators + o * scan.accumulator_stride + at + v * Vector::bytes);
    }
  }
  Ahead ahead(scan, at, vectors * Vector::bytes);
  ahead.skip(first_item);
  const auto nibble = Vector::broadcast(0x0f);
  const std::uint8_t* item = scan.items + first_item * scan.item_stride + at;
  for (std::size_t i = 0; i < items; ++i) {
    ahead.ask_for_next_items(1);
    typename Vector::Type low[vectors];
    typename Vector::Type high[vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const auto data = Vector::load(item + v * Vector::bytes);
      low[v] = Vector::bit_and(data, nibble);
      high[v] = Vector::bit_and(Vector::shift_right_4(data), nibble);
    }
#pragma GCC unroll 8
    for (std::size_t o = 0; o < octets; ++o) {
      const auto low_table = Vector::table(tables);
      const auto high_table = Vector::table(tables + table_bytes / 2);
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) {
        sums[o][v] = Vector::xor_three(sums[o][v], Vector::look_up(low_table, low[v]),
                                       Vector::look_up(high_table, high[v]));
      }
      tables += table_bytes;
    }
    item += scan.item_stride;
  }
#pragma GCC unroll 8
  for (std::size_t o = 0; o < octets; ++o) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      Vector::store(scan.accumulators + o * scan.accumulator_stride + at + v * Vector::bytes,
                    sums[o][v]);
    }
  }
}

template <typename Isa, std::size_t octets>
void accumulate_octets_by_tables(const OctetScan& scan) noexcept {
  using Vector = typename Isa::Vector;
  using Half = typename Isa::Half;
  constexpr std::size_t vectors = Isa::tile_vectors(octets);
  constexpr std::size_t tile = vectors * Vector::bytes;
  alignas(64) std::uint8_t tables[most_items_of_sweep * octets * table_bytes];
  const std::size_t sweep = items_of_sweep(scan);
  for (std::size_t first = 0; first < scan.item_count; first += sweep) {
    const std::size_t items = scan.item_count - first < sweep ? scan.item_count - first : sweep;
    for (std::size_t i = 0; i < items; ++i) {
      for (std::size_t o = 0; o < octets; ++o) {
        make_tables(scan.matrices[o * matrix_stride + first + i],
                    tables + (i * octets + o) * table_bytes);
      }
    }
    std::size_t at = 0;
    for (; at + tile <= scan.columns; at += tile) {
      accumulate_tile_by_tables<Vector, vectors, octets>(scan, at, first, items, tables);
    }
    for (; at + Vector::bytes <= scan.columns; at += Vector::bytes) {
      accumulate_tile_by_tables<Vector, 1, octets>(scan, at, first, items, tables);
    }
    if (at < scan.columns) {
      accumulate_tile_by_tables<Half, 1, octets>(scan, at, first, items, tables);
    }
  }
}

template <typename Isa>
void accumulate_octets_by_tables(const OctetScan& scan) noexcept {
  static_assert(Isa::octets_at_once == 4);
  switch (scan.octets) {
    case 1:
      return accumulate_octets_by_tables<Isa, 1>(scan);
    case 2:
      return accumulate_octets_by_tables<Isa, 2>(scan);
    case 3:
      return accumulate_octets_by_tables<Isa, 3>(scan);
    case 4:
      return accumulate_octets_by_tables<Isa, 4>(scan);
    default:
      return;
  }
}

}  // namespace
}  // namespace gyre::cpu
