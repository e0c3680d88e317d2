#include "harness/bench/baselines.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstring>

#include "core/cpu_features.hpp"

namespace gyre::bench {
namespace {

std::uint32_t mask_of(const std::uint8_t* bits, std::uint64_t bit) noexcept {
  return 0U - ((std::uint32_t{bits[bit / 8]} >> (bit % 8)) & 1U);
}

void add_words(const std::uint8_t* row, std::size_t from, std::size_t row_bytes, std::uint32_t mask,
               std::uint8_t* answer) noexcept {
  for (std::size_t at = from; at < row_bytes; at += 4) {
    std::uint32_t sum;
    std::uint32_t word;
    std::memcpy(&sum, answer + at, sizeof sum);
    std::memcpy(&word, row + at, sizeof word);
    sum ^= word & mask;
    std::memcpy(answer + at, &sum, sizeof sum);
  }
}

void add_rows(std::size_t queries, const std::uint8_t* rows, std::size_t row_bytes,
              std::size_t count, const std::uint8_t* const* bits, std::uint64_t first_bit,
              std::uint8_t* answers) noexcept {
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t q = 0; q < queries; ++q) {
      add_words(rows + r * row_bytes, 0, row_bytes, mask_of(bits[q], first_bit + r),
                answers + q * row_bytes);
    }
  }
}

#if defined(__x86_64__)

// Rows of one vector keep every query's answer in a register.
template <std::size_t queries>
__attribute__((target("avx2"))) void add_vectors(const std::uint8_t* rows, std::size_t count,
                                                 const std::uint8_t* const* bits,
                                                 std::uint64_t first_bit,
                                                 std::uint8_t* answers) noexcept {
  __m256i sums[queries];
  for (std::size_t q = 0; q < queries; ++q) {
    sums[q] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(answers + 32 * q));
  }
  for (std::size_t r = 0; r < count; ++r) {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + 32 * r));
    for (std::size_t q = 0; q < queries; ++q) {
      const __m256i mask = _mm256_set1_epi32(static_cast<int>(mask_of(bits[q], first_bit + r)));
      sums[q] = _mm256_xor_si256(sums[q], _mm256_and_si256(row, mask));
    }
  }
  for (std::size_t q = 0; q < queries; ++q) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(answers + 32 * q), sums[q]);
  }
}

template <std::size_t queries>
__attribute__((target("avx2"))) void add_rows_avx2(const std::uint8_t* rows, std::size_t row_bytes,
                                                   std::size_t count,
                                                   const std::uint8_t* const* bits,
                                                   std::uint64_t first_bit,
                                                   std::uint8_t* answers) noexcept {
  if (row_bytes == 32) {
    add_vectors<queries>(rows, count, bits, first_bit, answers);
    return;
  }
  for (std::size_t r = 0; r < count; ++r) {
    const std::uint8_t* const row = rows + r * row_bytes;
    for (std::size_t q = 0; q < queries; ++q) {
      const std::uint32_t mask = mask_of(bits[q], first_bit + r);
      const __m256i wide = _mm256_set1_epi32(static_cast<int>(mask));
      std::uint8_t* const answer = answers + q * row_bytes;
      std::size_t at = 0;
      for (; at + 32 <= row_bytes; at += 32) {
        auto* const sum = reinterpret_cast<__m256i*>(answer + at);
        const __m256i data = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + at));
        _mm256_storeu_si256(
            sum, _mm256_xor_si256(_mm256_loadu_si256(sum), _mm256_and_si256(data, wide)));
      }
      add_words(row, at, row_bytes, mask, answer);
    }
  }
}

#endif

template <std::size_t queries>
void add_rows_best(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                   const std::uint8_t* const* bits, std::uint64_t first_bit,
                   std::uint8_t* answers) noexcept {
#if defined(__x86_64__)
  if (covers(cpu_features(), CpuFeatures::avx2)) {
    add_rows_avx2<queries>(rows, row_bytes, count, bits, first_bit, answers);
    return;
  }
#endif
  add_rows(queries, rows, row_bytes, count, bits, first_bit, answers);
}

}  // namespace

void masked_xor(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                const std::uint8_t* const* bits, std::uint64_t first_bit,
                std::uint8_t* answers) noexcept {
  add_rows_best<1>(rows, row_bytes, count, bits, first_bit, answers);
}
void masked_xor_by_8(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                     const std::uint8_t* const* bits, std::uint64_t first_bit,
                     std::uint8_t* answers) noexcept {
  add_rows_best<8>(rows, row_bytes, count, bits, first_bit, answers);
}
void masked_xor_by_16(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                      const std::uint8_t* const* bits, std::uint64_t first_bit,
                      std::uint8_t* answers) noexcept {
  add_rows_best<16>(rows, row_bytes, count, bits, first_bit, answers);
}
void skip_zero_rows(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                    const std::uint8_t* const* bits, std::uint64_t first_bit,
                    std::uint8_t* answers) noexcept {
  for (std::size_t r = 0; r < count; ++r) {
    if (mask_of(bits[0], first_bit + r) == 0) continue;
    for (std::size_t b = 0; b < row_bytes; ++b) {
      answers[b] = static_cast<std::uint8_t>(answers[b] ^ rows[r * row_bytes + b]);
    }
  }
}

}  // namespace gyre::bench
