// The scan: every word of the groups ANDed with a query's mask and XORed into its accumulator.
//
// A thread keeps `vector` neighbouring words × `columns` bit columns × `queries` accumulators in
// registers and walks over the groups of its segment. For one query that is one instruction a word
// and as many loads in flight as there are columns; for many, the mask of a place serves
// vector·columns words and a word serves `queries` masks, one instruction each. All threads of a
// warp read neighbouring words, so every byte of the table crosses the memory bus once for each set
// of queries, and sets that run side by side share it in the second-level cache.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/query_shape.hpp"

namespace gyre::cuda {

// What a thread keeps in registers. A run-time choice among scan_tiles.
struct ScanTile {
  unsigned vector;   // words of a load: 4, or 1 where records are no multiple of 16 bytes
  unsigned columns;  // of 32, a divisor
  unsigned queries;  // a set

  friend constexpr bool operator==(const ScanTile&, const ScanTile&) = default;
};

// The tile for that many queries: the smallest set that holds them, or the largest. Rows change
// their masks from load to load, so more columns share one there.
[[nodiscard]] constexpr ScanTile tile_for(const QueryShape& shape, std::uint32_t page_words,
                                          std::uint32_t queries) noexcept {
  const bool aligned = shape.record_words % 4 == 0 && page_words % 4 == 0;
  if (queries == 1) return {aligned ? 4U : 1U, 8, 1};
  if (queries <= 8 || shape.records_per_page > 1) {
    return aligned ? ScanTile{4, 4, 8} : ScanTile{1, 16, 8};
  }
  return aligned ? ScanTile{4, 1, 32} : ScanTile{1, 4, 32};
}

struct ScanWork {
  TableLayout layout;
  QueryShape shape;
  const std::uint32_t* image = nullptr;
  const std::uint32_t* masks =
      nullptr;                    // of MaskStep: [group of the chunk][record of the page][slot]
  std::uint64_t first_group = 0;  // of the chunk
  std::uint64_t groups = 0;
  std::uint32_t slots = 0;                // a multiple of the tile's queries
  std::uint32_t segments = 1;             // into which the groups are dealt, one after another
  std::uint32_t* accumulators = nullptr;  // [slot][bit][word of a record]
};

// How the words of a group are divided among the threads of blocks.
struct ScanPartition {
  static constexpr std::uint32_t threads = 128;

  ScanTile tile;
  std::uint32_t page_words;

  // A thread's share of a group: `vector` words of a page, `columns` bits of each.
  [[nodiscard]] constexpr std::uint32_t tiles() const noexcept {
    return page_words / tile.vector * (32 / tile.columns);
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
  // Into how many segments so many groups are dealt, for about so many thread blocks.
  [[nodiscard]] constexpr std::uint32_t segments(std::uint64_t groups, std::uint32_t sets,
                                                 std::uint64_t wanted_blocks) const noexcept {
    const std::uint64_t most = (groups + groups_at_once() - 1) / groups_at_once();
    const std::uint64_t wanted = wanted_blocks / (blocks_across() * sets);
    const std::uint64_t some = wanted < most ? wanted : most;
    return some > 0 ? static_cast<std::uint32_t>(some) : 1;
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
    return {{vector, columns, queries}, work.layout.page_words};
  }
  [[nodiscard]] constexpr std::uint32_t sets() const noexcept { return work.slots / queries; }
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
    return std::uint64_t{queries} * 32 * work.shape.record_words;
  }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept {
    return sums_in_block() ? static_cast<std::uint32_t>(sums() * sizeof(std::uint32_t)) : 0;
  }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    const auto set = static_cast<std::uint32_t>(block % sets());
    const ScanPartition parts = partition();
    const std::uint64_t across = block / sets() % parts.blocks_across();
    const auto segment = static_cast<std::uint32_t>(block / sets() / parts.blocks_across());
    std::uint32_t* const mine =
        work.accumulators + std::uint64_t{set} * queries * work.shape.accumulator_words();
    auto* const shared = static_cast<std::uint32_t*>(crew.shared());
    const bool in_block = sums_in_block();
    if (in_block) crew.for_each(sums(), [&](std::uint64_t i) { shared[i] = 0; });
    crew.for_each(threads, [&](std::uint64_t thread) {
      const auto lane = static_cast<std::uint32_t>(thread / parts.tiles_per_block());
      const std::uint64_t tile =
          across * parts.tiles_per_block() + thread % parts.tiles_per_block();
      if (lane >= parts.groups_at_once() || tile >= parts.tiles()) return;
      scan(crew, static_cast<std::uint32_t>(tile), segment * parts.groups_at_once() + lane, set,
           in_block ? shared : mine);
    });
    if (!in_block) return;
    crew.for_each(sums(), [&](std::uint64_t i) { crew.add(mine + i, shared[i]); });
  }

 private:
  // One thread: groups first, first + stride, …, then its sums into `to`.
  template <typename Crew>
  GYRE_ON_DEVICE void scan(Crew& crew, std::uint32_t tile, std::uint32_t first, std::uint32_t set,
                           std::uint32_t* to) const {
    const std::uint32_t page_words = work.layout.page_words;
    const std::uint32_t tiles_across = page_words / vector;
    const std::uint32_t word = tile % tiles_across * vector;
    const std::uint32_t first_bit = tile / tiles_across * columns;
    const std::uint32_t position = word / work.shape.record_words;
    const std::uint32_t record_word = word % work.shape.record_words;
    const std::uint32_t stride = work.segments * partition().groups_at_once();

    std::uint32_t sums[queries][columns][vector] = {};
    const std::uint32_t* at =
        work.image + work.layout.grouped_word(work.first_group + first, first_bit, word);
    const std::uint64_t at_stride = stride * work.layout.group_words();
    const std::uint64_t masks_of_group = std::uint64_t{work.shape.records_per_page} * work.slots;
    const std::uint32_t* masks =
        work.masks + first * masks_of_group + std::uint64_t{position} * work.slots + set * queries;
    const std::uint64_t masks_stride = stride * masks_of_group;
    GYRE_UNROLL_TIMES(queries == 1 ? 2 : 1)
    for (std::uint64_t group = first; group < work.groups; group += stride) {
      Words<vector> words[columns];
      GYRE_UNROLL
      for (unsigned c = 0; c < columns; ++c) {
        words[c] = crew.template load_once<vector>(at + std::uint64_t{c} * page_words);
      }
      add_products(crew, words, masks, sums);
      at += at_stride;
      masks += masks_stride;
    }
    std::uint32_t* sum_at = to + std::uint64_t{first_bit} * work.shape.record_words + record_word;
    GYRE_UNROLL
    for (unsigned q = 0; q < queries; ++q) {
      std::uint32_t* bit_at = sum_at;
      GYRE_UNROLL
      for (unsigned c = 0; c < columns; ++c) {
        GYRE_UNROLL
        for (unsigned v = 0; v < vector; ++v) crew.add(bit_at + v, sums[q][c][v]);
        bit_at += work.shape.record_words;
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

// Calls run(ScanStep<…>{work}) for the tile. REQUIRES: one that tile_for() gives.
template <typename Run>
auto with_scan_step(const ScanTile& tile, const ScanWork& work, const Run& run) {
  if (tile == ScanTile{4, 8, 1}) return run(ScanStep<4, 8, 1>{work});
  if (tile == ScanTile{1, 8, 1}) return run(ScanStep<1, 8, 1>{work});
  if (tile == ScanTile{4, 4, 8}) return run(ScanStep<4, 4, 8>{work});
  if (tile == ScanTile{1, 16, 8}) return run(ScanStep<1, 16, 8>{work});
  if (tile == ScanTile{4, 1, 32}) return run(ScanStep<4, 1, 32>{work});
  return run(ScanStep<1, 4, 32>{work});
}

}  // namespace gyre::cuda
