// Random linear combinations of a table's rows, kept while the rows go by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/dpf/block.hpp"
#include "core/error.hpp"

namespace gyre {

// How many combinations, and so the bits of a row's mask: bit c says whether the row is in
// combination c.
inline constexpr unsigned row_combinations = 64;

// Which rows are in which combinations: the mask of every row is a hash of its number and a secret
// seed, so that nobody who does not know the seed can tell it from random. Thread-safe: a value.
class RowMasks {
 public:
  explicit RowMasks(const dpf::Block& secret_seed) noexcept : seed_(secret_seed) {}

  // The masks of rows first_row … first_row + masks.size() - 1.
  void fill(std::uint64_t first_row, std::span<std::uint64_t> masks) const noexcept;

 private:
  dpf::Block seed_;
};

// For each combination the XOR of its rows. One thread at a time.
//
// How it is fast: the 64 bits of a mask are cut into digits of 8 bits (4 where rows are long). A
// row is XORed into one bucket for each digit, the one of the digit's value; in the end a
// combination is the XOR of the buckets whose value has its bit. That is 8 XORs a row instead of
// 32. The buckets take 2,048 rows of memory, at most 2 MiB (256 rows, at most 16 MiB, where rows
// are longer than 1 KiB).
class RowCombinations {
 public:
  // Errors: out_of_memory.
  [[nodiscard]] static Result<RowCombinations> create(std::uint32_t row_bytes,
                                                      const dpf::Block& secret_seed);

  // Adds rows first_row …, row-major. Any order and pieces; adding a row twice removes it.
  // REQUIRES: whole rows.
  void add(std::uint64_t first_row, std::span<const std::byte> rows) noexcept;

  // All combinations so far, combination 0 first, row_bytes each. Errors: out_of_memory.
  [[nodiscard]] Result<std::vector<std::byte>> sums() const;

 private:
  RowCombinations(std::uint32_t row_bytes, const dpf::Block& secret_seed);
  void add_with_masks(std::span<const std::uint64_t> masks, const std::byte* rows) noexcept;

  RowMasks masks_;
  std::size_t row_bytes_;
  std::size_t stride_;  // of a bucket: a row rounded up to whole vectors
  unsigned digit_bits_;
  std::vector<std::byte> buckets_;
  std::vector<std::byte> padded_row_;
};

}  // namespace gyre
