// The matrix products that a GPU's tensor cores do for a scan: where elements lie in the registers
// of a warp, and the two kinds of elements that bits of words can be.
#pragma once

#include <bit>
#include <cstdint>

#include "backends/cuda/on_device.hpp"

namespace gyre::cuda {

// What lane `lane` of a warp holds of the operands of mma.m16n8k256 with single bits and of
// mma.m16n8k32 with bytes (PTX ISA, "Matrix Fragments"): in both, a row of the first operand and a
// column of the second have 8 registers of 32 bits.
struct MatrixFragments {
  static constexpr unsigned rows = 16;    // of the first operand
  static constexpr unsigned columns = 8;  // of the second
  static constexpr unsigned depth_words = 8;

  // Register i of the first operand: row and word of it.
  [[nodiscard]] static constexpr unsigned first_row(unsigned lane, unsigned i) noexcept {
    return lane / 4 + (i % 2) * 8;
  }
  [[nodiscard]] static constexpr unsigned first_word(unsigned lane, unsigned i) noexcept {
    return lane % 4 + (i / 2) * 4;
  }
  // Register i of the second: column and word of it.
  [[nodiscard]] static constexpr unsigned second_column(unsigned lane) noexcept { return lane / 4; }
  [[nodiscard]] static constexpr unsigned second_word(unsigned lane, unsigned i) noexcept {
    return lane % 4 + i * 4;
  }
  // Register i of the counts: row and column.
  [[nodiscard]] static constexpr unsigned count_row(unsigned lane, unsigned i) noexcept {
    return lane / 4 + (i / 2) * 8;
  }
  [[nodiscard]] static constexpr unsigned count_column(unsigned lane, unsigned i) noexcept {
    return lane % 4 * 2 + i % 2;
  }
};

// Kinds of elements. The lanes that share a row or column hold `groups_a_lane` groups each, a word
// of 32 pages' bits of every one; `products` products use them all up, each bit once. Which bit is
// which element does not matter, as long as both operands agree: part() is used for both.

// A bit is an element, AND is multiplication: words are operands as they lie, eight groups at once.
struct BitElements {
  static constexpr unsigned groups_a_lane = 2;
  static constexpr unsigned products = 1;
  static constexpr bool are_bytes = false;

  // What register `half` of the two of a row or column holds in a product.
  [[nodiscard]] GYRE_ON_DEVICE static constexpr std::uint32_t part(
      const std::uint32_t (&words)[groups_a_lane], unsigned /*product*/, unsigned half) noexcept {
    return words[half];
  }
  // What a product adds for two registers; the host's tests do it, tensor cores do it by
  // themselves.
  [[nodiscard]] static constexpr std::int32_t dot(std::uint32_t a, std::uint32_t b) noexcept {
    return std::popcount(a & b);
  }
};

// A byte is an element, 0 or 1: four of a word's bits at a time, eight apart, so that a shift and
// an AND take them out. Four groups at once, in four products.
struct ByteElements {
  static constexpr unsigned groups_a_lane = 1;
  static constexpr unsigned products = 4;
  static constexpr bool are_bytes = true;

  [[nodiscard]] GYRE_ON_DEVICE static constexpr std::uint32_t part(
      const std::uint32_t (&words)[groups_a_lane], unsigned product, unsigned half) noexcept {
    return (words[0] >> (2 * product + half)) & 0x01010101U;
  }
  [[nodiscard]] static constexpr std::int32_t dot(std::uint32_t a, std::uint32_t b) noexcept {
    std::int32_t sum = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) {
      sum += static_cast<std::int8_t>(a >> shift) * static_cast<std::int8_t>(b >> shift);
    }
    return sum;
  }
};

}  // namespace gyre::cuda
