// Rows into the layout of a device's image and out of it again.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/table_layout.hpp"
#include "backends/cuda/task_blocks.hpp"

namespace gyre::cuda {

// Words first_word … of the table, row-major in `source`, become part of the image. What the image
// held there before does not matter; everything else in it stays. Steps on disjoint words may not
// run at once: a group's words are shared by 32 pages.
struct InsertStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 3;

  TableLayout layout;
  std::uint32_t* image = nullptr;
  const std::uint32_t* source = nullptr;
  std::uint64_t first_word = 0;
  std::uint64_t count = 0;  // > 0

  [[nodiscard]] constexpr std::uint64_t end_word() const noexcept { return first_word + count; }
  // Groups that hold a word of it.
  [[nodiscard]] constexpr std::uint64_t first_group() const noexcept {
    return first_word / layout.group_words();
  }
  [[nodiscard]] constexpr std::uint64_t end_group() const noexcept {
    const std::uint64_t end = (end_word() + layout.group_words() - 1) / layout.group_words();
    return end < layout.groups() ? end : layout.groups();
  }
  // Word columns of those groups, then single words of the tail.
  [[nodiscard]] constexpr std::uint64_t columns() const noexcept {
    return end_group() > first_group() ? (end_group() - first_group()) * layout.page_words : 0;
  }
  [[nodiscard]] constexpr std::uint64_t first_tail_word() const noexcept {
    const std::uint64_t tail = layout.groups() * layout.group_words();
    return first_word > tail ? first_word : tail;
  }
  [[nodiscard]] constexpr std::uint64_t tail_words() const noexcept {
    return end_word() > first_tail_word() ? end_word() - first_tail_word() : 0;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept {
    return blocks_of_tasks(columns() + tail_words());
  }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, columns() + tail_words(), [&](std::uint64_t item) {
      if (item < columns()) {
        insert_column(first_group() + item / layout.page_words,
                      static_cast<std::uint32_t>(item % layout.page_words));
      } else {
        const std::uint64_t word = first_tail_word() + (item - columns());
        image[word] = source[word - first_word];
      }
    });
  }

 private:
  // One word of 32 pages, as far as it is in the source.
  GYRE_ON_DEVICE void insert_column(std::uint64_t group, std::uint32_t word) const {
    // Where page 0's word is in the source; before its begin, a number far past its end.
    const std::uint64_t begin = group * layout.group_words() + word - first_word;
    std::uint32_t inside = 0;
    std::uint32_t m[pages_per_group];
    std::uint64_t at = begin;
    GYRE_UNROLL
    for (unsigned i = 0; i < pages_per_group; ++i) {
      const bool contained = at < count;
      inside |= (contained ? 1U : 0U) << i;
      m[i] = contained ? source[at] : 0;
      at += layout.page_words;
    }
    if (inside == 0) return;
    transpose(m);
    std::uint32_t* to = image + layout.grouped_word(group, 0, word);
    GYRE_UNROLL
    for (unsigned bit = 0; bit < pages_per_group; ++bit) {
      *to = inside == 0xFFFFFFFFU ? m[bit] : (*to & ~inside) | m[bit];
      to += layout.page_words;
    }
  }
};

// Words first_word … of the table, row-major, out of the image.
struct ExtractStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 4;

  TableLayout layout;
  const std::uint32_t* image = nullptr;
  std::uint32_t* out = nullptr;
  std::uint64_t first_word = 0;
  std::uint64_t count = 0;  // > 0

  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return blocks_of_tasks(count); }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, count,
                  [&](std::uint64_t item) { out[item] = value_of(first_word + item); });
  }

 private:
  [[nodiscard]] GYRE_ON_DEVICE std::uint32_t value_of(std::uint64_t at) const {
    if (at >= layout.groups() * layout.group_words()) return image[at];
    const std::uint64_t page = at / layout.page_words;
    const auto word = static_cast<std::uint32_t>(at % layout.page_words);
    const auto place = static_cast<unsigned>(page % pages_per_group);
    std::uint32_t value = 0;
    GYRE_UNROLL
    for (unsigned bit = 0; bit < pages_per_group; ++bit) {
      const std::uint32_t turned = image[layout.grouped_word(page / pages_per_group, bit, word)];
      value |= ((turned >> place) & 1U) << bit;
    }
    return value;
  }
};

}  // namespace gyre::cuda
