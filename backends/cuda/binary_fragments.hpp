// Where the elements of a binary matrix product lie in the registers of a warp.
#pragma once

namespace gyre::cuda {

// What lane `lane` of a warp holds of the operands of mma.m16n8k256 with single bits (PTX ISA,
// "Matrix Fragments for mma.m16n8k256"), 32 bits of a row or column in each register.
struct BinaryFragments {
  static constexpr unsigned rows = 16;    // of the first operand
  static constexpr unsigned columns = 8;  // of the second
  static constexpr unsigned depth = 256;  // bits of a row or column
  static constexpr unsigned depth_words = depth / 32;

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

}  // namespace gyre::cuda
