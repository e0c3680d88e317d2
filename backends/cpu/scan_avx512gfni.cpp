// The kernel for AVX-512 (F, BW, VL) with GFNI, whose vgf2p8affineqb multiplies 64 column bytes by
// an 8 x 8 bit matrix: one instruction for eight queries, where masks take eight.
#include "backends/cpu/octets_generic.hpp"
#include "backends/cpu/scan_zmm.hpp"

namespace gyre::cpu {
namespace {

// The bits of each 64-bit element as an 8 x 8 matrix, transposed: the element is the matrix that
// the bytes of the identity are multiplied by.
inline __m512i transpose_bits_by_product(__m512i value) noexcept {
  // Row i of a matrix is its byte 7 - i, so the result's bits come in the order of its bytes if the
  // bytes do.
  const __m512i reverse =
      _mm512_broadcast_i32x4(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
  const __m512i identity = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201U));
  return _mm512_gf2p8affine_epi64_epi8(identity, _mm512_shuffle_epi8(value, reverse), 0);
}

// 64 bits of one query's string for each page, of every page from bit number first_bits on.
class EightStrings {
 public:
  EightStrings(const std::uint64_t (&first_bits)[8], std::uint64_t at) noexcept {
    for (std::size_t page = 0; page < 8; ++page) {
      offsets_[page] = (first_bits[page] + at) / 8;
      shifts_[page] = (first_bits[page] + at) % 8;
      whole_bytes_ = whole_bytes_ && shifts_[page] == 0;
    }
  }

  [[nodiscard]] __m512i load(const std::uint8_t* bits) const noexcept {
    if (whole_bytes_) {
      return _mm512_set_epi64(word(bits, 7), word(bits, 6), word(bits, 5), word(bits, 4),
                              word(bits, 3), word(bits, 2), word(bits, 1), word(bits, 0));
    }
    // 16 bytes of each. A shift by 64 leaves nothing.
    __m512i low = _mm512_setzero_si512();
    __m512i high = low;
    add_pair<0>(bits, low, high);
    add_pair<1>(bits, low, high);
    add_pair<2>(bits, low, high);
    add_pair<3>(bits, low, high);
    const __m512i right = _mm512_loadu_si512(shifts_);
    const __m512i left = _mm512_sub_epi64(_mm512_set1_epi64(64), right);
    return _mm512_or_si512(_mm512_srlv_epi64(low, right), _mm512_sllv_epi64(high, left));
  }

 private:
  [[nodiscard]] long long word(const std::uint8_t* bits, std::size_t page) const noexcept {
    return static_cast<long long>(load_64(bits + offsets_[page]));
  }
  // The two words of pages 2 pair and 2 pair + 1.
  template <int pair>
  void add_pair(const std::uint8_t* bits, __m512i& low, __m512i& high) const noexcept {
    const auto load = [&](std::size_t page) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits + offsets_[page]));
    };
    const __m128i even = load(2 * pair);
    const __m128i odd = load(2 * pair + 1);
    low = _mm512_inserti32x4(low, _mm_unpacklo_epi64(even, odd), pair);
    high = _mm512_inserti32x4(high, _mm_unpackhi_epi64(even, odd), pair);
  }

  std::uint64_t offsets_[8];
  std::uint64_t shifts_[8];
  bool whole_bytes_ = true;
};

struct Avx512Gfni : Avx512Base {
  static constexpr bool rows_are_queries = true;
  static constexpr std::size_t octets_at_once = 5;

  static void arrange_64(const std::uint8_t* const (&bits)[octet_queries],
                         const std::uint64_t (&first_bits)[8], std::uint64_t at,
                         std::uint64_t* matrices) noexcept {
    const EightStrings strings(first_bits, at);
    // x[row]: of each item its selection byte of one query.
    __m512i x[8];
#pragma GCC unroll 8
    for (std::size_t row = 0; row < 8; ++row) {
      x[row] = transpose_bits_by_product(
          transpose_bytes_of_words(strings.load(bits[row_of_query(row)])));
    }
    // Eight vectors of bytes to one of words: pairs, fours, eights. Within lanes of 128 bits, so
    // that lane l of vector i gets the matrices of items 16 l + 2 i and 16 l + 2 i + 1.
    const __m512i a = _mm512_unpacklo_epi8(x[0], x[1]);
    const __m512i b = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i c = _mm512_unpacklo_epi8(x[2], x[3]);
    const __m512i d = _mm512_unpackhi_epi8(x[2], x[3]);
    const __m512i e = _mm512_unpacklo_epi8(x[4], x[5]);
    const __m512i f = _mm512_unpackhi_epi8(x[4], x[5]);
    const __m512i g = _mm512_unpacklo_epi8(x[6], x[7]);
    const __m512i h = _mm512_unpackhi_epi8(x[6], x[7]);
    const __m512i fours[8] = {_mm512_unpacklo_epi16(a, c), _mm512_unpacklo_epi16(e, g),
                              _mm512_unpackhi_epi16(a, c), _mm512_unpackhi_epi16(e, g),
                              _mm512_unpacklo_epi16(b, d), _mm512_unpacklo_epi16(f, h),
                              _mm512_unpackhi_epi16(b, d), _mm512_unpackhi_epi16(f, h)};
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 8; i += 2) {
      store_lanes(_mm512_unpacklo_epi32(fours[i], fours[i + 1]), matrices + 2 * i);
      store_lanes(_mm512_unpackhi_epi32(fours[i], fours[i + 1]), matrices + 2 * i + 2);
    }
  }

 private:
  static void store_lanes(__m512i lanes, std::uint64_t* to) noexcept {
    const auto store = [to](std::size_t lane, __m128i matrices) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * lane), matrices);
    };
    store(0, _mm512_castsi512_si128(lanes));
    store(1, _mm512_extracti32x4_epi32(lanes, 1));
    store(2, _mm512_extracti32x4_epi32(lanes, 2));
    store(3, _mm512_extracti32x4_epi32(lanes, 3));
  }
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
void accumulate_tile(const OctetScan& scan, std::size_t at, std::size_t first_item,
                     std::size_t items) noexcept {
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
  const std::uint8_t* item = scan.items + first_item * scan.item_stride + at;
  const std::uint64_t* matrices = scan.matrices + first_item;
  std::size_t i = 0;
  for (; i + 2 <= items; i += 2) {
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
  if (i < items) {
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
  const std::size_t sweep = items_of_sweep(scan);
  for (std::size_t first = 0; first < scan.item_count; first += sweep) {
    const std::size_t items = scan.item_count - first < sweep ? scan.item_count - first : sweep;
    std::size_t at = 0;
    for (; at + 64 * tile_vectors <= scan.columns; at += 64 * tile_vectors) {
      accumulate_tile<Zmm, tile_vectors, octets>(scan, at, first, items);
    }
    if (at + 128 <= scan.columns) {
      accumulate_tile<Zmm, 2, octets>(scan, at, first, items);
      at += 128;
    }
    if (at + 64 <= scan.columns) {
      accumulate_tile<Zmm, 1, octets>(scan, at, first, items);
      at += 64;
    }
    if (at < scan.columns) accumulate_tile<Ymm, 1, octets>(scan, at, first, items);
  }
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
