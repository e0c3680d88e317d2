// The scan: every word of the groups ANDed with a query's mask and XORed into its accumulator.
//
// A thread keeps `vector` neighbouring words × `columns` accumulators for each of `queries` in
// registers and walks over the groups of its segment. For one query that is one instruction a word
// and as many loads in flight as there are columns; for many, the mask of a place serves
// vector·columns words and a word serves `queries` masks, one instruction each. All threads of a
// warp read neighbouring words, so every byte of the table crosses the memory bus once for each set
// of queries, and sets that run side by side share it in the second-level cache.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/scan_work.hpp"

namespace gyre::cuda {

// How the words of a group are divided among the threads of blocks.
//
// The masks of a row query differ from row to row of a page, but not from bit to bit: a thread's
// columns are bits of the same words. A page query has one mask for all, so a group is one run of
// words and the columns are parts of it, aligned whatever a page is.
struct ScanPartition {
  static constexpr std::uint32_t threads = 128;

  ScanTile tile;
  QueryShape shape;
  std::uint32_t page_words;

  [[nodiscard]] constexpr bool of_rows() const noexcept { return shape.records_per_page > 1; }
  // Words from one of a thread's columns to the next.
  [[nodiscard]] constexpr std::uint32_t column_stride() const noexcept {
    return of_rows() ? page_words : pages_per_group / tile.columns * page_words;
  }
  [[nodiscard]] constexpr std::uint32_t tiles_across() const noexcept {
    return column_stride() / tile.vector;
  }
  // Shares of a group, one a thread.
  [[nodiscard]] constexpr std::uint32_t tiles() const noexcept {
    return tiles_across() * (of_rows() ? pages_per_group / tile.columns : 1);
  }
  // A group with fewer tiles than a block has threads leaves room for more groups at once.
  [[nodiscard]] constexpr std::uint32_t tiles_per_block() const noexcept {
    return tiles() < threads ? tiles() : threads;
  }
  [[nodiscard]] constexpr std::uint32_t groups_at_once() const noexcept {
    return threads / tiles_per_block();
  }
  [[nodiscard]] constexpr std::uint64_t blocks_across() const noexcept {
    return (tiles() + tiles_per_block() - 1) / tiles_per_block();
  }

  // A tile's first word in a group, where its sums go, and which of a page's masks is its own.
  struct Place {
    std::uint64_t word;
    std::uint64_t sum;
    std::uint32_t position;
  };
  [[nodiscard]] constexpr Place place(std::uint32_t number) const noexcept {
    const std::uint32_t word = number % tiles_across() * tile.vector;
    if (!of_rows()) return {word, word, 0};
    const std::uint64_t first_bit = std::uint64_t{number / tiles_across()} * tile.columns;
    return {first_bit * page_words + word,
            first_bit * shape.record_words + word % shape.record_words, word / shape.record_words};
  }
  // From one column's sums to the next one's.
  [[nodiscard]] constexpr std::uint32_t sum_stride() const noexcept {
    return of_rows() ? shape.record_words : column_stride();
  }
};

template <unsigned vector, unsigned columns, unsigned queries>
struct ScanStep {
  static_assert(32 % columns == 0);
  static constexpr unsigned threads = ScanPartition::threads;
  // So that a multiprocessor has enough loads in flight, or enough products to hide them behind.
  static constexpr unsigned blocks_at_once = queries == 1 ? 4 : 3;

  ScanWork work;

  [[nodiscard]] constexpr ScanPartition partition() const noexcept {
    return {{vector, columns, queries}, work.shape, work.layout.page_words};
  }
  [[nodiscard]] constexpr std::uint32_t sets() const noexcept { return work.slots / queries; }
  [[nodiscard]] constexpr std::uint32_t segments_for(std::uint64_t multiprocessors) const noexcept {
    const std::uint64_t at_once = partition().groups_at_once();
    return work.segments_for((work.groups + at_once - 1) / at_once,
                             partition().blocks_across() * sets(),
                             multiprocessors * blocks_at_once);
  }
  // Sets of queries change fastest: blocks that read the same words run side by side.
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept {
    return partition().blocks_across() * work.segments * sets();
  }

  // Rows are summed over a page's positions, by many threads into few words: first in the block.
  // Only where the words of a block's sums are few.
  [[nodiscard]] constexpr bool sums_in_block() const noexcept {
    return work.shape.records_per_page > 1 && sums() <= 4096;
  }
  [[nodiscard]] constexpr std::uint64_t sums() const noexcept {
    return std::uint64_t{queries} * work.shape.accumulator_words();
  }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept {
    return sums_in_block() ? static_cast<std::uint32_t>(sums() * sizeof(std::uint32_t)) : 0;
  }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    const ScanPartition parts = partition();
    const auto set = static_cast<std::uint32_t>(block % sets());
    const std::uint64_t across = block / sets() % parts.blocks_across();
    const auto segment = static_cast<std::uint32_t>(block / sets() / parts.blocks_across());
    std::uint32_t* const mine = work.accumulators + set * sums();
    auto* const shared = static_cast<std::uint32_t*>(crew.shared());
    const bool in_block = sums_in_block();
    if (in_block) crew.for_each(sums(), [&](std::uint64_t i) { shared[i] = 0; });
    crew.for_each(threads, [&](std::uint64_t thread) {
      const auto lane = static_cast<std::uint32_t>(thread / parts.tiles_per_block());
      const std::uint64_t tile =
          across * parts.tiles_per_block() + thread % parts.tiles_per_block();
      if (lane >= parts.groups_at_once() || tile >= parts.tiles()) return;
      scan(crew, parts, parts.place(static_cast<std::uint32_t>(tile)),
           segment * parts.groups_at_once() + lane, set, in_block ? shared : mine);
    });
    if (!in_block) return;
    crew.for_each(sums(), [&](std::uint64_t i) { crew.add(mine + i, shared[i]); });
  }

 private:
  // One thread: groups first, first + stride, …, then its sums into `to`.
  template <typename Crew>
  GYRE_ON_DEVICE void scan(Crew& crew, const ScanPartition& parts,
                           const ScanPartition::Place& place, std::uint32_t first,
                           std::uint32_t set, std::uint32_t* to) const {
    const std::uint32_t column_stride = parts.column_stride();
    const std::uint32_t stride = work.segments * parts.groups_at_once();
    std::uint32_t sums[queries][columns][vector] = {};
    const std::uint32_t* at =
        work.image + (work.first_group + first) * work.layout.group_words() + place.word;
    const std::uint64_t at_stride = stride * work.layout.group_words();
    const MaskLayout layout = work.mask_layout(/*groups_together=*/1);
    const std::uint32_t* masks = work.masks + layout.index(first, place.position, set * queries);
    const std::uint64_t masks_stride = layout.words(stride);
    GYRE_UNROLL_TIMES(queries == 1 ? 2 : 1)
    for (std::uint64_t group = first; group < work.groups; group += stride) {
      Words<vector> words[columns];
      GYRE_UNROLL
      for (unsigned c = 0; c < columns; ++c) {
        words[c] = crew.template load_once<vector>(at + std::uint64_t{c} * column_stride);
      }
      add_products(crew, words, masks, sums);
      at += at_stride;
      masks += masks_stride;
    }
    std::uint32_t* sum_at = to + place.sum;
    GYRE_UNROLL
    for (unsigned q = 0; q < queries; ++q) {
      std::uint32_t* column_at = sum_at;
      GYRE_UNROLL
      for (unsigned c = 0; c < columns; ++c) {
        GYRE_UNROLL
        for (unsigned v = 0; v < vector; ++v) crew.add(column_at + v, sums[q][c][v]);
        column_at += parts.sum_stride();
      }
      sum_at += work.shape.accumulator_words();
    }
  }

  template <typename Crew>
  GYRE_ON_DEVICE static void add_products(Crew& crew, const Words<vector> (&words)[columns],
                                          const std::uint32_t* masks,
                                          std::uint32_t (&sums)[queries][columns][vector]) {
    constexpr unsigned together = queries % 4 == 0 ? 4 : 1;
    GYRE_UNROLL
    for (unsigned first = 0; first < queries; first += together) {
      const Words<together> some = crew.template load<together>(masks + first);
      GYRE_UNROLL
      for (unsigned i = 0; i < together; ++i) {
        GYRE_UNROLL
        for (unsigned c = 0; c < columns; ++c) {
          GYRE_UNROLL
          for (unsigned v = 0; v < vector; ++v) {
            sums[first + i][c][v] ^= words[c].word[v] & some.word[i];
          }
        }
      }
    }
  }
};

}  // namespace gyre::cuda
