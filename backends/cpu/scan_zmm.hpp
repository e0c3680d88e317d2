// A vector of 64 bytes and the rearrangements of bits, for the instruction sets that have AVX-512
// with its foundation and byte instructions (F, BW). In the unnamed namespace of whoever includes
// it, as all that is compiled with instruction-set flags.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if !defined(__clang__)
// g++ 12 takes the undefined value inside its own intrinsics for a mistake of their user.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "backends/cpu/scan_generic.hpp"
#include "backends/cpu/scan_ymm.hpp"

namespace gyre::cpu {
namespace {

struct Zmm {
  static constexpr std::size_t bytes = 64;
  using Type = __m512i;

  static Type load(const std::uint8_t* from) noexcept { return _mm512_loadu_si512(from); }
  static void store(std::uint8_t* to, Type value) noexcept { _mm512_storeu_si512(to, value); }
  static Type broadcast(std::uint8_t byte) noexcept {
    return _mm512_set1_epi8(static_cast<char>(byte));
  }
  static Type xor_and(Type sum, Type data, Type selected) noexcept {
    constexpr int a_xor_b_and_c = 0x78;
    return _mm512_ternarylogic_epi64(sum, data, selected, a_xor_b_and_c);
  }
  static Type xor_three(Type a, Type b, Type c) noexcept {
    constexpr int a_xor_b_xor_c = 0x96;
    return _mm512_ternarylogic_epi64(a, b, c, a_xor_b_xor_c);
  }
  static Type bit_and(Type a, Type b) noexcept { return _mm512_and_si512(a, b); }
  // Bits of a neighbouring byte come in at the top.
  static Type shift_right_4(Type value) noexcept { return _mm512_srli_epi16(value, 4); }
  static Type table(const std::uint8_t* sixteen_bytes) noexcept {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen_bytes)));
  }
  // Entry n of the table for every byte n < 16 of the indices.
  static Type look_up(Type table, Type indices) noexcept {
    return _mm512_shuffle_epi8(table, indices);
  }
};

template <int shift>
__m512i swap_within(__m512i value, std::uint64_t mask) noexcept {
  constexpr int a_xor_b_and_c = 0x28;
  const __m512i difference =
      _mm512_ternarylogic_epi64(value, _mm512_srli_epi64(value, shift),
                                _mm512_set1_epi64(static_cast<long long>(mask)), a_xor_b_and_c);
  return Zmm::xor_three(value, difference, _mm512_slli_epi64(difference, shift));
}

// The bits of each 64-bit element as an 8 x 8 matrix.
inline __m512i transpose_bits(__m512i value) noexcept {
  value = swap_within<7>(value, 0x00aa00aa00aa00aaU);
  value = swap_within<14>(value, 0x0000cccc0000ccccU);
  return swap_within<28>(value, 0x00000000f0f0f0f0U);
}

// The bytes of the elements as an 8 x 8 matrix: pairs of elements by bytes, then pairs among each
// other by words.
inline __m512i transpose_bytes_of_words(__m512i value) noexcept {
  const __m512i interleave_two =
      _mm512_broadcast_i32x4(_mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0));
  const __m512i gather_four =
      _mm512_set_epi16(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4,  //
                       27, 19, 11, 3, 26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
  return _mm512_permutexvar_epi16(gather_four, _mm512_shuffle_epi8(value, interleave_two));
}

inline __m512i vector_of(const Lanes& lanes) noexcept {
  return _mm512_set_epi64(
      static_cast<long long>(lanes.page[7]), static_cast<long long>(lanes.page[6]),
      static_cast<long long>(lanes.page[5]), static_cast<long long>(lanes.page[4]),
      static_cast<long long>(lanes.page[3]), static_cast<long long>(lanes.page[2]),
      static_cast<long long>(lanes.page[1]), static_cast<long long>(lanes.page[0]));
}

// What the instruction sets with such vectors have in common.
struct Avx512Base {
  using Vector = Zmm;
  using Half = Ymm;
  static constexpr std::size_t register_vectors = 12;
  static constexpr std::size_t streams = 8;

  static void transpose(const Lanes& lanes, std::uint8_t* columns) noexcept {
    Zmm::store(columns, cpu::transpose_bits(transpose_bytes_of_words(vector_of(lanes))));
  }
  static void transpose_bytes(const Lanes& lanes, std::uint8_t* out) noexcept {
    Zmm::store(out, transpose_bytes_of_words(vector_of(lanes)));
  }
  static void transpose_bits(const std::uint8_t* in, std::uint8_t* out) noexcept {
    Zmm::store(out, cpu::transpose_bits(Zmm::load(in)));
  }
};

}  // namespace
}  // namespace gyre::cpu
