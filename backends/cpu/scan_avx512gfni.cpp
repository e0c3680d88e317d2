// The kernel for AVX-512 (F, BW, VL, VBMI, VBMI2) with GFNI, whose vgf2p8affineqb multiplies 64
// column bytes by an 8 x 8 bit matrix: one instruction for eight queries, where masks take eight.
#include "backends/cpu/octets_generic.hpp"
#include "backends/cpu/scan_zmm.hpp"

namespace gyre::cpu {
namespace {

// Eight bits of each item of the 64 of a vector, of which a word of `matrices` holds eight items'
// as an 8 x 8 matrix with a byte for each page, the last page first: a matrix's row i is its byte
// 7 - i. Byte 8 k + i of the result is item i of word k: the identity's bytes multiplied by the
// matrices.
inline __m512i items_of(__m512i matrices) noexcept {
  const __m512i identity = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201U));
  return _mm512_gf2p8affine_epi64_epi8(identity, matrices, 0);
}

// Bytes 0, 1, … 63.
inline __m512i places() noexcept {
  return _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
                          0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
                          0x0f0e0d0c0b0a0908, 0x0706050403020100);
}

// Where byte k of word p goes, as an index for a permutation: to byte 7 - p of word k.
inline __m512i turned_words() noexcept {
  return _mm512_set_epi64(0x070f171f272f373f, 0x060e161e262e363e, 0x050d151d252d353d,
                          0x040c141c242c343c, 0x030b131b232b333b, 0x020a121a222a323a,
                          0x0109111921293139, 0x0008101820283038);
}

// 64 bits of a query's string for each page, of every page from bit number first_bits + from on, as
// matrices for items_of().
class EightStrings {
 public:
  EightStrings(const std::uint64_t (&first_bits)[8], std::uint64_t from) noexcept {
    const __m512i bits = _mm512_add_epi64(_mm512_loadu_si512(first_bits),
                                          _mm512_set1_epi64(static_cast<long long>(from)));
    first_byte_ = (first_bits[0] + from) / 8;
    shifts_ = _mm512_and_si512(bits, _mm512_set1_epi64(7));
    const __m512i bytes = _mm512_srli_epi64(bits, 3);
    whole_bytes_ = _mm512_test_epi64_mask(shifts_, shifts_) == 0;
    // From the first page's byte on; huge where a page lies before it.
    const __m512i distances =
        _mm512_sub_epi64(bytes, _mm512_set1_epi64(static_cast<long long>(first_byte_)));
    near_ = _mm512_cmpgt_epu64_mask(distances, _mm512_set1_epi64(window_bytes - 16)) == 0;
    if (!near_) _mm512_storeu_si512(distances_, distances);
    // Byte k of word p: where byte k of page p's string lies in the window.
    const __m512i each_eight_times = _mm512_set_epi64(
        0x3838383838383838, 0x3030303030303030, 0x2828282828282828, 0x2020202020202020,
        0x1818181818181818, 0x1010101010101010, 0x0808080808080808, 0x0000000000000000);
    const __m512i within_word = _mm512_and_si512(places(), _mm512_set1_epi8(7));
    places_ = _mm512_add_epi8(_mm512_permutexvar_epi8(each_eight_times, distances), within_word);
    if (whole_bytes_) places_ = _mm512_permutexvar_epi8(turned_words(), places_);
  }

  // On to the next 64 bits of every page.
  void advance() noexcept { first_byte_ += 8; }

  [[nodiscard]] __m512i load(const std::uint8_t* bits) const noexcept {
    bits += first_byte_;
    if (!near_) return _mm512_permutexvar_epi8(turned_words(), load_far(bits));
    const __m512i low_half = _mm512_loadu_si512(bits);
    const __m512i high_half = _mm512_loadu_si512(bits + window_bytes / 2);
    const __m512i words = _mm512_permutex2var_epi8(low_half, places_, high_half);
    if (whole_bytes_) return words;
    const __m512i next_places = _mm512_add_epi8(places_, _mm512_set1_epi8(8));
    const __m512i next_words = _mm512_permutex2var_epi8(low_half, next_places, high_half);
    return _mm512_permutexvar_epi8(turned_words(), _mm512_shrdv_epi64(words, next_words, shifts_));
  }

 private:
  // What one permutation reaches: pages of up to 128 rows.
  static constexpr std::size_t window_bytes = 128;
  static_assert(window_bytes <= readable_behind_bits);

  [[nodiscard]] __m512i load_far(const std::uint8_t* bits) const noexcept {
    __m512i low = _mm512_setzero_si512();
    __m512i high = low;
    add_pair<0>(bits, low, high);
    add_pair<1>(bits, low, high);
    add_pair<2>(bits, low, high);
    add_pair<3>(bits, low, high);
    return _mm512_shrdv_epi64(low, high, shifts_);
  }
  // 16 bytes of each of pages 2 pair and 2 pair + 1.
  template <int pair>
  void add_pair(const std::uint8_t* bits, __m512i& low, __m512i& high) const noexcept {
    const auto load = [&](std::size_t page) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits + distances_[page]));
    };
    const __m128i even = load(2 * pair);
    const __m128i odd = load(2 * pair + 1);
    low = _mm512_inserti32x4(low, _mm_unpacklo_epi64(even, odd), pair);
    high = _mm512_inserti32x4(high, _mm_unpackhi_epi64(even, odd), pair);
  }

  __m512i shifts_;
  __m512i places_;
  std::uint64_t first_byte_;
  std::int64_t distances_[8];  // of pages that are not near
  bool whole_bytes_;
  bool near_;
};

// arrange_strings() for items from the first of `strings` on, 64 of them or the first `count`.
inline void arrange_64_by_product(const EightStrings& strings,
                                  const std::uint8_t* const (&bits)[octet_queries],
                                  std::size_t count, std::uint64_t* matrices) noexcept {
  // Unpacking works within lanes of 128 bits: byte 2 i + j of lane l is item 8 i + 2 l + j, so
  // that the matrices come out in order.
  const __m512i order = _mm512_set_epi64(0x3f3e37362f2e2726, 0x1f1e17160f0e0706, 0x3d3c35342d2c2524,
                                         0x1d1c15140d0c0504, 0x3b3a33322b2a2322, 0x1b1a13120b0a0302,
                                         0x3938313029282120, 0x1918111009080100);
  // x[row]: of each item its selection byte of one query.
  __m512i x[8];
#pragma GCC unroll 8
  for (std::size_t row = 0; row < 8; ++row) {
    x[row] = _mm512_permutexvar_epi8(order, items_of(strings.load(bits[row_of_query(row)])));
  }
  // Eight vectors of bytes to one of words: pairs, fours, eights.
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
  const auto store = [&](std::size_t eight, __m512i value) {
    if (count >= 64) {
      _mm512_storeu_si512(matrices + 8 * eight, value);
    } else if (count > 8 * eight) {
      const std::size_t some = count - 8 * eight < 8 ? count - 8 * eight : 8;
      _mm512_mask_storeu_epi64(matrices + 8 * eight, static_cast<__mmask8>((1U << some) - 1U),
                               value);
    }
  };
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 8; i += 2) {
    store(i, _mm512_unpacklo_epi32(fours[i], fours[i + 1]));
    store(i + 1, _mm512_unpackhi_epi32(fours[i], fours[i + 1]));
  }
}

void arrange_strings_by_product(const std::uint8_t* const (&bits)[octet_queries],
                                const std::uint64_t (&first_bits)[8], std::uint64_t from,
                                std::size_t count, std::uint64_t* matrices) noexcept {
  EightStrings strings(first_bits, from);
  for (std::size_t at = 0; at < count; at += 64) {
    arrange_64_by_product(strings, bits, count - at, matrices + at);
    strings.advance();
  }
}

struct Avx512Gfni : Avx512Base {
  static constexpr bool rows_are_queries = true;
  static constexpr std::size_t octets_at_once = 5;
  // For the first-level cache: this kernel is done with a block before more of it comes from the
  // second.
  static constexpr std::size_t block_columns = 512;
  static constexpr std::size_t block_bytes = std::size_t{32} << 10U;
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

// Items first … first + count - 1 of a scan.
struct Sweep {
  std::size_t first;
  std::size_t count;
};

// `vectors` vectors of columns from column `at` on for `octets` octets, two items a step so that
// one instruction adds both products.
template <typename Vector, std::size_t vectors, std::size_t octets>
void accumulate_tile(const OctetScan& scan, std::size_t at, const Sweep& sweep) noexcept {
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
  ahead.skip(sweep.first);
  const std::uint8_t* item = scan.items + sweep.first * scan.item_stride + at;
  const std::uint64_t* matrices = scan.matrices + sweep.first;
  std::size_t i = 0;
  for (; i + 2 <= sweep.count; i += 2) {
    ahead.ask_for_next_items(2);
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
  if (i < sweep.count) {
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

// Half a vector of columns, where rows are no whole number of vectors long: two items fill one,
// their words side by side as their matrices are.
template <std::size_t octets>
void accumulate_half_tile(const OctetScan& scan, std::size_t at, const Sweep& sweep) noexcept {
  const __m512i words_in_turn = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  // The words of `scan`'s sums lie in every second word, and the others' are added at the end.
  __m512i sums[octets];
#pragma GCC unroll 8
  for (std::size_t o = 0; o < octets; ++o) sums[o] = _mm512_setzero_si512();
  Ahead ahead(scan, at, Ymm::bytes);
  ahead.skip(sweep.first);
  const std::uint8_t* item = scan.items + sweep.first * scan.item_stride + at;
  const std::uint64_t* matrices = scan.matrices + sweep.first;
  const auto two_items = [&](const std::uint8_t* from) {
    return _mm512_permutex2var_epi64(_mm512_castsi256_si512(Ymm::load(from)), words_in_turn,
                                     _mm512_castsi256_si512(Ymm::load(from + scan.item_stride)));
  };
  const auto two_matrices = [](const std::uint64_t* from) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  };
  const auto product = [](__m512i columns, __m512i matrices_of_items) {
    return _mm512_gf2p8affine_epi64_epi8(columns, matrices_of_items, 0);
  };
  std::size_t i = 0;
  for (; i + 4 <= sweep.count; i += 4) {
    ahead.ask_for_next_items(4);
    const __m512i first = two_items(item);
    const __m512i second = two_items(item + 2 * scan.item_stride);
#pragma GCC unroll 8
    for (std::size_t o = 0; o < octets; ++o) {
      const std::uint64_t* const some = matrices + o * matrix_stride;
      sums[o] = xor_three(sums[o], product(first, two_matrices(some)),
                          product(second, two_matrices(some + 2)));
    }
    item += 4 * scan.item_stride;
    matrices += 4;
  }
  const __m512i even_words = _mm512_set_epi64(0, 0, 0, 0, 6, 4, 2, 0);
  const __m512i odd_words = _mm512_set_epi64(0, 0, 0, 0, 7, 5, 3, 1);
#pragma GCC unroll 8
  for (std::size_t o = 0; o < octets; ++o) {
    std::uint8_t* const to = scan.accumulators + o * scan.accumulator_stride + at;
    Ymm::store(to, xor_three(Ymm::load(to),
                             _mm512_castsi512_si256(_mm512_permutexvar_epi64(even_words, sums[o])),
                             _mm512_castsi512_si256(_mm512_permutexvar_epi64(odd_words, sums[o]))));
  }
  if (i < sweep.count) {
    accumulate_tile<Ymm, 1, octets>(scan, at, {sweep.first + i, sweep.count - i});
  }
}

template <std::size_t octets>
void accumulate_all_columns(const OctetScan& scan) noexcept {
  constexpr std::size_t tile = 64 * tile_vectors;
  // Of large records fewer: the same columns of all their items fall into few sets of the cache.
  constexpr std::size_t wide_stride = std::size_t{16} << 10U;
  const std::size_t most =
      scan.item_stride < wide_stride ? most_items_of_sweep : most_items_of_sweep / 2;
  for (std::size_t first = 0; first < scan.item_count; first += most) {
    const Sweep sweep{first, scan.item_count - first < most ? scan.item_count - first : most};
    std::size_t at = 0;
    for (; at + tile <= scan.columns; at += tile) {
      accumulate_tile<Zmm, tile_vectors, octets>(scan, at, sweep);
    }
    if (at + 128 <= scan.columns) {
      accumulate_tile<Zmm, 2, octets>(scan, at, sweep);
      at += 128;
    }
    if (at + 64 <= scan.columns) {
      accumulate_tile<Zmm, 1, octets>(scan, at, sweep);
      at += 64;
    }
    if (at < scan.columns) accumulate_half_tile<octets>(scan, at, sweep);
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
    functions_of<Avx512Gfni, &accumulate_octets, &arrange_strings_by_product>;

}  // namespace gyre::cpu
