// The kernel for AVX-512 with its foundation and byte instructions (F, BW).
#include <immintrin.h>

#if !defined(__clang__)
// g++ 12 takes the undefined value inside its own intrinsics for a mistake of their user.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
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
};

template <int shift>
__m512i swap_within(__m512i value, std::uint64_t mask) noexcept {
  constexpr int a_xor_b_and_c = 0x28;
  constexpr int a_xor_b_xor_c = 0x96;
  const __m512i difference =
      _mm512_ternarylogic_epi64(value, _mm512_srli_epi64(value, shift),
                                _mm512_set1_epi64(static_cast<long long>(mask)), a_xor_b_and_c);
  return _mm512_ternarylogic_epi64(value, difference, _mm512_slli_epi64(difference, shift),
                                   a_xor_b_xor_c);
}

struct Avx512 {
  using Vector = Zmm;
  using Half = Ymm;
  static constexpr std::size_t register_vectors = 12;
  static constexpr std::size_t streams = 8;

  static void transpose(const Lanes& lanes, std::uint8_t* columns) noexcept {
    // First the bytes as an 8 x 8 matrix: pairs of pages by bytes, then pairs among each other by
    // words.
    const __m512i pages = _mm512_set_epi64(
        static_cast<long long>(lanes.page[7]), static_cast<long long>(lanes.page[6]),
        static_cast<long long>(lanes.page[5]), static_cast<long long>(lanes.page[4]),
        static_cast<long long>(lanes.page[3]), static_cast<long long>(lanes.page[2]),
        static_cast<long long>(lanes.page[1]), static_cast<long long>(lanes.page[0]));
    const __m512i interleave_two =
        _mm512_broadcast_i32x4(_mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0));
    const __m512i words = _mm512_shuffle_epi8(pages, interleave_two);
    const __m512i gather_four =
        _mm512_set_epi16(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4,  //
                         27, 19, 11, 3, 26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
    __m512i rows = _mm512_permutexvar_epi16(gather_four, words);
    // Then the bits of each row.
    rows = swap_within<7>(rows, 0x00aa00aa00aa00aaU);
    rows = swap_within<14>(rows, 0x0000cccc0000ccccU);
    rows = swap_within<28>(rows, 0x00000000f0f0f0f0U);
    Zmm::store(columns, rows);
  }
};

}  // namespace

constinit const ScanFunctions avx512_scan_functions = functions_of<Avx512>;

}  // namespace gyre::cpu
