// The kernel for AVX-512 (F, BW, VL) with GFNI, whose vgf2p8affineqb multiplies 64 column bytes by
// an 8 x 8 bit matrix: one instruction for eight queries, where masks take eight.
#include "backends/cpu/octets_generic.hpp"
#include "backends/cpu/scan_zmm.hpp"

namespace gyre::cpu {
namespace {

struct Avx512Gfni : Avx512Base {
  static constexpr bool rows_are_queries = true;
  static constexpr std::size_t octets_at_once = 5;
};

// Vectors of columns of a tile: with five octets 20 accumulators, and two items' columns and
// matrices beside them.
constexpr std::size_t tile_vectors = 4;

inline __m512i multiply(__m512i columns, std::uint64_t matrix) noexcept {
  return _mm512_gf2p8affine_epi64_epi8(columns, _mm512_set1_epi64(static_cast<long long>(matrix)),
                                       0);
}
inline __m256i multiply(__m256i columns, std::uint64_t matrix) noexcept {
  return _mm256_gf2p8affine_epi64_epi8(columns, _mm256_set1_epi64x(static_cast<long long>(matrix)),
                                       0);
}
inline __m256i xor_three(__m256i a, __m256i b, __m256i c) noexcept {
  constexpr int a_xor_b_xor_c = 0x96;
  return _mm256_ternarylogic_epi64(a, b, c, a_xor_b_xor_c);
}
inline __m512i xor_three(__m512i a, __m512i b, __m512i c) noexcept {
  return Zmm::xor_three(a, b, c);
}

// `vectors` vectors of columns from column `at` on for `octets` octets, two items a step so that
// one instruction adds both products.
template <typename Vector, std::size_t vectors, std::size_t octets>
void accumulate_tile(const OctetScan& scan, std::size_t at) noexcept {
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
  const std::uint8_t* item = scan.items + at;
  const std::uint64_t* matrices = scan.matrices;
  std::size_t i = 0;
  for (; i + 2 <= scan.item_count; i += 2) {
    ahead.ask_for_next_item();
    ahead.ask_for_next_item();
    typename Vector::Type first[vectors];
    typename Vector::Type second[vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      first[v] = Vector::load(item + v * Vector::bytes);
      second[v] = Vector::load(item + scan.item_stride + v * Vector::bytes);
    }
#pragma GCC unroll 8
    for (std::size_t o = 0; o < octets; ++o) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) {
        sums[o][v] = xor_three(sums[o][v], multiply(first[v], matrices[o * matrix_stride]),
                               multiply(second[v], matrices[o * matrix_stride + 1]));
      }
    }
    item += 2 * scan.item_stride;
    matrices += 2;
  }
  if (i < scan.item_count) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const auto columns = Vector::load(item + v * Vector::bytes);
#pragma GCC unroll 8
      for (std::size_t o = 0; o < octets; ++o) {
        sums[o][v] = sums[o][v] ^ multiply(columns, matrices[o * matrix_stride]);
      }
    }
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

template <std::size_t octets>
void accumulate_all_columns(const OctetScan& scan) noexcept {
  std::size_t at = 0;
  for (; at + 64 * tile_vectors <= scan.columns; at += 64 * tile_vectors) {
    accumulate_tile<Zmm, tile_vectors, octets>(scan, at);
  }
  if (at + 128 <= scan.columns) {
    accumulate_tile<Zmm, 2, octets>(scan, at);
    at += 128;
  }
  if (at + 64 <= scan.columns) {
    accumulate_tile<Zmm, 1, octets>(scan, at);
    at += 64;
  }
  if (at < scan.columns) accumulate_tile<Ymm, 1, octets>(scan, at);
}

void accumulate_octets(const OctetScan& scan) noexcept {
  static_assert(Avx512Gfni::octets_at_once == 5);
  switch (scan.octets) {
    case 1:
      return accumulate_all_columns<1>(scan);
    case 2:
      return accumulate_all_columns<2>(scan);
    case 3:
      return accumulate_all_columns<3>(scan);
    case 4:
      return accumulate_all_columns<4>(scan);
    case 5:
      return accumulate_all_columns<5>(scan);
    default:
      return;
  }
}

}  // namespace

constinit const ScanFunctions avx512gfni_scan_functions =
    functions_of<Avx512Gfni, &accumulate_octets>;

}  // namespace gyre::cpu
