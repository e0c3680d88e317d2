// What is added to a scan's sums: rows of the last, incomplete group, rows that batches changed;
// and the answers made of it all.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/query_shape.hpp"
#include "backends/cuda/task_blocks.hpp"

namespace gyre::cuda {

// Pages that fill no group, row-major. Dealt by records to so many threads for each word.
struct TailStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 4;
  static constexpr std::uint32_t most_slices = 64;

  QueryShape shape;
  SelectionBits bits;
  const std::uint32_t* rows = nullptr;  // of the tail
  std::uint64_t first_record = 0;       // of the tail, counted from the chunk's first
  std::uint32_t records = 0;
  std::uint32_t queries = 0;
  std::uint32_t* plain = nullptr;  // [query][word of a record]

  [[nodiscard]] constexpr std::uint32_t slices() const noexcept {
    return records < most_slices ? records : most_slices;
  }
  [[nodiscard]] constexpr std::uint64_t tasks() const noexcept {
    return std::uint64_t{queries} * slices() * shape.record_words;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return blocks_of_tasks(tasks()); }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, tasks(), [&](std::uint64_t task) {
      const auto [word, slice, query] = SlicedTask::of(task, shape.record_words, slices());
      std::uint32_t sum = 0;
      for (std::uint64_t r = slice; r < records; r += slices()) {
        sum ^= rows[r * shape.record_words + word] & bits.mask(query, first_record + r);
      }
      crew.add(plain + query * shape.record_words + word, sum);
    });
  }
};

// Updated rows of one overlay that lie in one chunk, for the queries that are pinned to it.
struct OverlayStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 4;
  static constexpr std::uint32_t most_slices = 256;

  TableLayout layout;
  QueryShape shape;
  std::uint64_t first_record = 0;  // of the chunk
  SelectionBits bits;
  const std::uint64_t* rows = nullptr;  // their numbers; one may come several times
  const std::uint32_t* differences = nullptr;
  std::uint64_t count = 0;
  const std::uint32_t* queries = nullptr;  // which ones
  std::uint32_t query_count = 0;
  std::uint32_t* plain = nullptr;  // [query][word of a record]

  [[nodiscard]] constexpr std::uint64_t slices() const noexcept {
    return count < most_slices ? count : most_slices;
  }
  [[nodiscard]] constexpr std::uint64_t tasks() const noexcept {
    return query_count * slices() * layout.row_words;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return blocks_of_tasks(tasks()); }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, tasks(), [&](std::uint64_t task) {
      const auto [word, slice, query] = SlicedTask::of(task, layout.row_words, slices());
      add_rows(crew, word, slice, queries[query]);
    });
  }

 private:
  template <typename Crew>
  GYRE_ON_DEVICE void add_rows(Crew& crew, std::uint64_t word, std::uint64_t slice,
                               std::uint32_t query) const {
    std::uint32_t* const to = plain + std::uint64_t{query} * shape.record_words + word;
    const std::uint32_t rows_per_record = shape.record_words / layout.row_words;
    std::uint32_t sum = 0;
    std::uint32_t sum_place = 0;
    for (std::uint64_t i = slice; i < count; i += slices()) {
      const std::uint64_t row = rows[i];  // public: which rows changed is no secret
      const auto place = static_cast<std::uint32_t>(row % rows_per_record) * layout.row_words;
      if (place != sum_place) {
        crew.add(to + sum_place, sum);
        sum = 0;
        sum_place = place;
      }
      const std::uint64_t record = row / rows_per_record - first_record;
      sum ^= differences[i * layout.row_words + word] & bits.mask(query, record);
    }
    crew.add(to + sum_place, sum);
  }
};

// An answer's bit is the parity of its accumulator; its words have the rest added.
struct FinishStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 4;

  QueryShape shape;
  const std::uint32_t* accumulators = nullptr;  // [query][bit][word]
  const std::uint32_t* plain = nullptr;         // [query][word]
  std::uint32_t queries = 0;
  std::uint32_t* answers = nullptr;  // [query][word]

  [[nodiscard]] constexpr std::uint64_t words() const noexcept {
    return std::uint64_t{queries} * shape.record_words;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return blocks_of_tasks(words()); }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, words(), [&](std::uint64_t item) {
      const std::uint64_t query = item / shape.record_words;
      const std::uint64_t word = item % shape.record_words;
      std::uint32_t answer = plain[item];
      GYRE_UNROLL
      for (unsigned bit = 0; bit < 32; ++bit) {
        const std::uint32_t sum = accumulators[(query * 32 + bit) * shape.record_words + word];
        answer ^= parity(sum) << bit;
      }
      answers[item] = answer;
    });
  }

 private:
  [[nodiscard]] GYRE_ON_DEVICE static std::uint32_t parity(std::uint32_t value) noexcept {
    value ^= value >> 16U;
    value ^= value >> 8U;
    value ^= value >> 4U;
    return (0x6996U >> (value & 0xFU)) & 1U;
  }
};

}  // namespace gyre::cuda
