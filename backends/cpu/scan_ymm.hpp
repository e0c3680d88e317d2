// A vector of 32 bytes, for the instruction sets that have AVX2. In the unnamed namespace of
// whoever includes it, as all that is compiled with instruction-set flags.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace gyre::cpu {
namespace {

struct Ymm {
  static constexpr std::size_t bytes = 32;
  using Type = __m256i;

  static Type load(const std::uint8_t* from) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store(std::uint8_t* to, Type value) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
  }
  static Type broadcast(std::uint8_t byte) noexcept {
    return _mm256_set1_epi8(static_cast<char>(byte));
  }
  static Type xor_and(Type sum, Type data, Type selected) noexcept {
    return _mm256_xor_si256(sum, _mm256_and_si256(data, selected));
  }
  static Type xor_three(Type a, Type b, Type c) noexcept {
    return _mm256_xor_si256(a, _mm256_xor_si256(b, c));
  }
  static Type bit_and(Type a, Type b) noexcept { return _mm256_and_si256(a, b); }
  // Bits of a neighbouring byte come in at the top.
  static Type shift_right_4(Type value) noexcept { return _mm256_srli_epi16(value, 4); }
  static Type table(const std::uint8_t* sixteen_bytes) noexcept {
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen_bytes)));
  }
  // Entry n of the table for every byte n < 16 of the indices.
  static Type look_up(Type table, Type indices) noexcept {
    return _mm256_shuffle_epi8(table, indices);
  }
};

}  // namespace
}  // namespace gyre::cpu
