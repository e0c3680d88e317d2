// How a table's rows lie in a device's memory, and the one source of truth for it.
//
// 32 consecutive pages are a group. Where page j's word w would be, a group keeps "bit j of word w"
// of all its 32 pages, page i's in bit i: every word is turned together with the same word of the
// other 31 pages, a transposed 32×32 matrix of bits. So
//  - 32 selection bits in their natural order are the mask of a whole group: one AND and one XOR
//    a word, no mask to compute; the parity of an accumulated word is a bit of the answer;
//  - words of 32 groups' bits are operands of a binary matrix product as they are;
//  - an image is not a byte larger than its rows, and a group can be turned in place.
// Pages that do not fill a group follow, row-major.
#pragma once

#include <cstdint>

#include "backends/cuda/on_device.hpp"

namespace gyre::cuda {

inline constexpr std::uint32_t pages_per_group = 32;

// Words begin … end - 1.
struct WordRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// A geometry in words. Trivial: it travels to kernels.
struct TableLayout {
  std::uint64_t pages = 0;
  std::uint32_t page_words = 0;
  std::uint32_t row_words = 0;

  [[nodiscard]] constexpr std::uint64_t groups() const noexcept { return pages / pages_per_group; }
  [[nodiscard]] constexpr std::uint64_t grouped_pages() const noexcept {
    return groups() * pages_per_group;
  }
  [[nodiscard]] constexpr std::uint32_t tail_pages() const noexcept {
    return static_cast<std::uint32_t>(pages % pages_per_group);
  }
  [[nodiscard]] constexpr std::uint32_t rows_per_page() const noexcept {
    return page_words / row_words;
  }
  [[nodiscard]] constexpr std::uint64_t words() const noexcept { return pages * page_words; }
  [[nodiscard]] constexpr std::uint64_t group_words() const noexcept {
    return std::uint64_t{pages_per_group} * page_words;
  }
  // Where bit `bit` of word `word` of the pages of a group lies; page i of the group in bit i.
  [[nodiscard]] constexpr std::uint64_t grouped_word(std::uint64_t group, std::uint32_t bit,
                                                     std::uint32_t word) const noexcept {
    return (group * pages_per_group + bit) * page_words + word;
  }
  // Where words first_word … of the row-major table lie, with what they share groups with.
  [[nodiscard]] constexpr WordRange image_words(std::uint64_t first_word,
                                                std::uint64_t count) const noexcept {
    const std::uint64_t grouped = groups() * group_words();
    const std::uint64_t end = first_word + count;
    return {first_word < grouped ? first_word / group_words() * group_words() : first_word,
            end <= grouped ? (end + group_words() - 1) / group_words() * group_words() : end};
  }
};

// The transposition of a 32×32 matrix of bits: bit j of word i and bit i of word j change places.
GYRE_ON_DEVICE inline void transpose(std::uint32_t (&m)[32]) noexcept {
  std::uint32_t mask = 0x0000FFFF;
  GYRE_UNROLL
  for (unsigned step = 16; step != 0; step >>= 1U, mask ^= mask << step) {
    GYRE_UNROLL
    for (unsigned k = 0; k < 32; ++k) {
      if ((k & step) != 0) continue;
      const std::uint32_t difference = ((m[k] >> step) ^ m[k + step]) & mask;
      m[k + step] ^= difference;
      m[k] ^= difference << step;
    }
  }
}

}  // namespace gyre::cuda
