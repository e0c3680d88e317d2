// Matrices whose rows are pages, for instruction sets that have AVX2. In the unnamed namespace of
// whoever includes it, as all that is compiled with instruction-set flags.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "backends/cpu/scan_generic.hpp"
#include "backends/cpu/scan_ymm.hpp"

namespace gyre::cpu {
namespace {

inline __m128i load_16(const std::uint8_t* from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// 64 bits of one query's string for each of four pages.
class FourStrings {
 public:
  FourStrings(const std::uint64_t* first_bits, std::uint64_t at) noexcept {
    alignas(32) std::uint64_t shifts[4];
    for (std::size_t page = 0; page < 4; ++page) {
      offsets_[page] = (first_bits[page] + at) / 8;
      shifts[page] = (first_bits[page] + at) % 8;
    }
    right_ = _mm256_load_si256(reinterpret_cast<const __m256i*>(shifts));
    left_ = _mm256_sub_epi64(_mm256_set1_epi64x(64), right_);
  }

  // Where every string begins with a byte.
  [[nodiscard]] __m256i load_bytes(const std::uint8_t* bits) const noexcept {
    return _mm256_set_epi64x(word(bits + offsets_[3]), word(bits + offsets_[2]),
                             word(bits + offsets_[1]), word(bits + offsets_[0]));
  }
  // Reads 16 bytes of each. A shift by 64 leaves nothing.
  [[nodiscard]] __m256i load_bits(const std::uint8_t* bits) const noexcept {
    const __m128i a = load_16(bits + offsets_[0]);
    const __m128i b = load_16(bits + offsets_[1]);
    const __m128i c = load_16(bits + offsets_[2]);
    const __m128i d = load_16(bits + offsets_[3]);
    const __m256i low = _mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b));
    const __m256i high = _mm256_set_m128i(_mm_unpackhi_epi64(c, d), _mm_unpackhi_epi64(a, b));
    return _mm256_or_si256(_mm256_srlv_epi64(low, right_), _mm256_sllv_epi64(high, left_));
  }

 private:
  static long long word(const std::uint8_t* from) noexcept {
    return static_cast<long long>(load_64(from));
  }

  std::uint64_t offsets_[4];
  __m256i right_;
  __m256i left_;
};

// Swaps the bits of `mask` in `b` with those `shift` higher in `a`.
template <int shift>
void swap_between(__m256i& a, __m256i& b, std::uint64_t mask) noexcept {
  const __m256i difference = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64(a, shift), b),
                                              _mm256_set1_epi64x(static_cast<long long>(mask)));
  b = _mm256_xor_si256(b, difference);
  a = _mm256_xor_si256(a, _mm256_slli_epi64(difference, shift));
}

// Bit b of a byte of vector a becomes bit a of that byte of vector b.
inline void transpose_bits_between(__m256i (&x)[8]) noexcept {
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 4; ++i) swap_between<4>(x[i], x[i + 4], 0x0f0f0f0f0f0f0f0fU);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; i += 4) {
    swap_between<2>(x[i], x[i + 2], 0x3333333333333333U);
    swap_between<2>(x[i + 1], x[i + 3], 0x3333333333333333U);
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; i += 2) swap_between<1>(x[i], x[i + 1], 0x5555555555555555U);
}

// Byte k of word p of (pages_0_to_3, pages_4_to_7) becomes byte p of word k, words 0 … 3 in
// `first`.
inline void transpose_bytes_of_words(__m256i pages_0_to_3, __m256i pages_4_to_7, __m256i& first,
                                     __m256i& second) noexcept {
  const __m256i interleave_two = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
  const __m256i a = _mm256_shuffle_epi8(pages_0_to_3, interleave_two);
  const __m256i b = _mm256_shuffle_epi8(pages_4_to_7, interleave_two);
  const __m256i even = _mm256_permute2x128_si256(a, b, 0x20);
  const __m256i odd = _mm256_permute2x128_si256(a, b, 0x31);
  const __m256i join_lanes = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  first = _mm256_permutevar8x32_epi32(_mm256_unpacklo_epi16(even, odd), join_lanes);
  second = _mm256_permutevar8x32_epi32(_mm256_unpackhi_epi16(even, odd), join_lanes);
}

// Word k of vector i goes to out[8 k + i].
inline void store_words(const __m256i (&x)[4], std::uint64_t* out) noexcept {
  const __m256i ab_even = _mm256_unpacklo_epi64(x[0], x[1]);
  const __m256i ab_odd = _mm256_unpackhi_epi64(x[0], x[1]);
  const __m256i cd_even = _mm256_unpacklo_epi64(x[2], x[3]);
  const __m256i cd_odd = _mm256_unpackhi_epi64(x[2], x[3]);
  const auto store = [out](std::size_t k, __m256i words) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * k), words);
  };
  store(0, _mm256_permute2x128_si256(ab_even, cd_even, 0x20));
  store(1, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20));
  store(2, _mm256_permute2x128_si256(ab_even, cd_even, 0x31));
  store(3, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31));
}

template <bool whole_bytes>
void arrange_64_by_pages(const std::uint8_t* const (&bits)[octet_queries],
                         const std::uint64_t (&first_bits)[8], std::uint64_t at,
                         std::uint64_t* matrices) noexcept {
  // turned[h][i]: for pages 4 h …, byte k of each page's word has a bit for each query, of item
  // 8 k + i.
  __m256i turned[2][8];
#pragma GCC unroll 2
  for (std::size_t half = 0; half < 2; ++half) {
    const FourStrings strings(first_bits + 4 * half, at);
    __m256i x[octet_queries];
#pragma GCC unroll 8
    for (std::size_t query = 0; query < octet_queries; ++query) {
      x[query] = whole_bytes ? strings.load_bytes(bits[query]) : strings.load_bits(bits[query]);
    }
    transpose_bits_between(x);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) turned[half][i] = x[i];
  }
#pragma GCC unroll 2
  for (std::size_t first = 0; first < 8; first += 4) {
    __m256i low[4];
    __m256i high[4];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      transpose_bytes_of_words(turned[0][first + i], turned[1][first + i], low[i], high[i]);
    }
    store_words(low, matrices + first);
    store_words(high, matrices + 32 + first);
  }
}

inline void arrange_64_by_pages(const std::uint8_t* const (&bits)[octet_queries],
                                const std::uint64_t (&first_bits)[8], std::uint64_t at,
                                std::uint64_t* matrices) noexcept {
  std::uint64_t within_byte = at;
  for (const std::uint64_t first : first_bits) within_byte |= first;
  if (within_byte % 8 == 0) {
    arrange_64_by_pages<true>(bits, first_bits, at, matrices);
  } else {
    arrange_64_by_pages<false>(bits, first_bits, at, matrices);
  }
}

}  // namespace
}  // namespace gyre::cpu
