// The kernel for AVX2.
#include <immintrin.h>

#include "backends/cpu/arrange_by_pages.hpp"
#include "backends/cpu/octets_by_tables.hpp"
#include "backends/cpu/scan_generic.hpp"
#include "backends/cpu/scan_ymm.hpp"

namespace gyre::cpu {
namespace {

template <int shift>
__m256i swap_within(__m256i value, std::uint64_t mask) noexcept {
  const __m256i difference =
      _mm256_and_si256(_mm256_xor_si256(value, _mm256_srli_epi64(value, shift)),
                       _mm256_set1_epi64x(static_cast<long long>(mask)));
  return _mm256_xor_si256(value,
                          _mm256_xor_si256(difference, _mm256_slli_epi64(difference, shift)));
}

// The bits of each 64-bit element as an 8 x 8 matrix.
inline __m256i transpose_bits(__m256i value) noexcept {
  value = swap_within<7>(value, 0x00aa00aa00aa00aaU);
  value = swap_within<14>(value, 0x0000cccc0000ccccU);
  return swap_within<28>(value, 0x00000000f0f0f0f0U);
}

inline __m128i interleave_bytes(std::uint64_t a, std::uint64_t b) noexcept {
  return _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<long long>(a)),
                           _mm_cvtsi64_si128(static_cast<long long>(b)));
}

struct Avx2 {
  using Vector = Ymm;
  using Half = Ymm;
  static constexpr std::size_t register_vectors = 12;
  static constexpr std::size_t streams = 8;

  static constexpr bool rows_are_queries = false;
  static void arrange_64(const std::uint8_t* const (&bits)[octet_queries],
                         const std::uint64_t (&first_bits)[8], std::uint64_t at,
                         std::uint64_t* matrices) noexcept {
    arrange_64_by_pages(bits, first_bits, at, matrices);
  }
  static constexpr std::size_t octets_at_once = 4;
  static constexpr std::size_t block_columns = second_cache_columns;
  static constexpr std::size_t block_bytes = second_cache_bytes;
  // Sixteen registers: accumulators, halves of bytes, a pair of tables.
  static constexpr std::size_t tile_vectors(std::size_t octets) noexcept {
    return octets <= 2 ? 4 : 2;
  }

  static void transpose(const Lanes& lanes, std::uint8_t* columns) noexcept {
    const Rows rows = byte_rows(lanes);
    Ymm::store(columns, cpu::transpose_bits(rows.first));
    Ymm::store(columns + 32, cpu::transpose_bits(rows.second));
  }
  static void transpose_bytes(const Lanes& lanes, std::uint8_t* out) noexcept {
    const Rows rows = byte_rows(lanes);
    Ymm::store(out, rows.first);
    Ymm::store(out + 32, rows.second);
  }
  static void transpose_bits(const std::uint8_t* in, std::uint8_t* out) noexcept {
    Ymm::store(out, cpu::transpose_bits(Ymm::load(in)));
    Ymm::store(out + 32, cpu::transpose_bits(Ymm::load(in + 32)));
  }

 private:
  // The bytes of the lanes as an 8 x 8 matrix, transposed: rows 0 … 3 and 4 … 7.
  struct Rows {
    __m256i first;
    __m256i second;
  };
  static Rows byte_rows(const Lanes& lanes) noexcept {
    const __m128i ab = interleave_bytes(lanes.page[0], lanes.page[1]);
    const __m128i cd = interleave_bytes(lanes.page[2], lanes.page[3]);
    const __m128i ef = interleave_bytes(lanes.page[4], lanes.page[5]);
    const __m128i gh = interleave_bytes(lanes.page[6], lanes.page[7]);
    const __m128i abcd_low = _mm_unpacklo_epi16(ab, cd);
    const __m128i abcd_high = _mm_unpackhi_epi16(ab, cd);
    const __m128i efgh_low = _mm_unpacklo_epi16(ef, gh);
    const __m128i efgh_high = _mm_unpackhi_epi16(ef, gh);
    return {.first = _mm256_set_m128i(_mm_unpackhi_epi32(abcd_low, efgh_low),
                                      _mm_unpacklo_epi32(abcd_low, efgh_low)),
            .second = _mm256_set_m128i(_mm_unpackhi_epi32(abcd_high, efgh_high),
                                       _mm_unpacklo_epi32(abcd_high, efgh_high))};
  }
};

}  // namespace

constinit const ScanFunctions avx2_scan_functions =
    functions_of<Avx2, &accumulate_octets_by_tables<Avx2>>;

}  // namespace gyre::cpu
