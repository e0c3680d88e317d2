// Indices past 2^32, words and bytes: tables of 64 GiB and more, of which only what is touched is
// in memory.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/mask_step.hpp"
#include "backends/cuda/pass_plan.hpp"
#include "backends/cuda/sum_steps.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "backends/cuda/transfer_steps.hpp"
#include "core/dpf/expand.hpp"
#include "core/dpf/generate.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/cuda/host_steps.hpp"

namespace gyre::cuda {
namespace {

// Zeros as far as nobody wrote.
class SparseImage {
 public:
  explicit SparseImage(std::uint64_t words) : bytes_(words * sizeof(std::uint32_t)) {
    void* const there = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (there != MAP_FAILED) words_ = static_cast<std::uint32_t*>(there);
  }
  SparseImage(const SparseImage&) = delete;
  SparseImage& operator=(const SparseImage&) = delete;
  ~SparseImage() {
    if (words_ != nullptr) munmap(words_, bytes_);
  }
  [[nodiscard]] std::uint32_t* words() const noexcept { return words_; }

 private:
  const std::uint64_t bytes_;
  std::uint32_t* words_ = nullptr;
};

constexpr std::uint64_t pages_of_64_gib = std::uint64_t{1} << 24U;
const std::vector<TableLayout> large_layouts = {
    {pages_of_64_gib, 1024, 1024},          // 2^24 pages of 4 KiB
    {pages_of_64_gib, 1024, 8},             // 2^31 rows of 32 bytes
    {pages_of_64_gib + 37, 1017, 9},        // 36 bytes, and pages that fill no group
    {(std::uint64_t{1} << 31U) + 3, 8, 8},  // 2^31 pages of one row
};

std::vector<std::uint32_t> random_words(std::uint64_t count) {
  std::vector<std::uint32_t> words(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    words[i] = static_cast<std::uint32_t>((i + 1) * 2654435761U) | 1U;
  }
  return words;
}

// The last three groups and the tail.
std::uint64_t first_word_of_the_end(const TableLayout& layout) {
  return (layout.groups() - 3) * layout.group_words();
}

TEST(LargeTables, RowsAtTheEndGoInAndComeOutAndNothingElseIsTouched) {
  for (const TableLayout& layout : large_layouts) {
    const SparseImage image(layout.words());
    if (image.words() == nullptr) GTEST_SKIP() << "no address space for such a table";
    ASSERT_EQ(layout.grouped_word(layout.groups() - 1, 31, layout.page_words - 1) + 1,
              layout.groups() * layout.group_words());
    const std::uint64_t first = first_word_of_the_end(layout) + 5;
    const auto rows = random_words(layout.words() - first);
    emulate(InsertStep{layout, image.words(), rows.data(), first, rows.size()});
    std::vector<std::uint32_t> out(rows.size());
    emulate(ExtractStep{layout, image.words(), out.data(), first, out.size()});
    EXPECT_EQ(out, rows);
    // Where arithmetic of 32 bits, of words or of bytes, would have put them.
    for (const std::uint64_t modulus : {std::uint64_t{1} << 32U, std::uint64_t{1} << 30U}) {
      const std::uint64_t there = first % modulus;
      const std::uint64_t end = std::min(there + layout.group_words(), first);
      EXPECT_TRUE(std::all_of(image.words() + there, image.words() + end,
                              [](std::uint32_t word) { return word == 0; }));
    }
    const WordRange range = layout.image_words(first, rows.size());
    EXPECT_EQ(range.begin, first - 5);
    EXPECT_EQ(range.end, layout.words());
  }
}

TEST(LargeTables, ScansReachTheLastGroup) {
  for (const TableLayout& layout : large_layouts) {
    const SparseImage image(layout.words());
    if (image.words() == nullptr) GTEST_SKIP() << "no address space for such a table";
    const auto rows = random_words(layout.words() - first_word_of_the_end(layout));
    emulate(
        InsertStep{layout, image.words(), rows.data(), first_word_of_the_end(layout), rows.size()});
    for (const QueryShape& shape : {QueryShape::of_rows(layout), QueryShape::of_pages(layout)}) {
      for (const ScanRoute route : scan_routes) {
        for (const std::uint32_t queries : {1U, 8U, 9U}) {
          EXPECT_TRUE(scans_by_definition(layout, shape, route, queries, image.words(),
                                          layout.groups() - 3, 3))
              << name_of(route) << ", " << layout.row_words << " words a row, " << queries;
        }
      }
    }
  }
}

// What a launch can say: 2^31 - 1 blocks across, 65,535 of these.
constexpr std::uint64_t most_blocks = std::uint64_t{0x7FFFFFFF} * 65'535;

TEST(LargeTables, ChunksStepsAndScratchStayInTheirBounds) {
  auto layouts = large_layouts;
  layouts.push_back({std::uint64_t{1} << 34U, 1024, 1});       // 64 TiB of 4-byte rows
  layouts.push_back({std::uint64_t{1} << 22U, 1U << 22U, 1});  // of pages of 16 MiB
  layouts.push_back({std::uint64_t{1} << 44U, 1, 1});          // of pages of 4 bytes
  for (const TableLayout& layout : layouts) {
    for (const QueryShape& shape : {QueryShape::of_rows(layout), QueryShape::of_pages(layout)}) {
      for (const ScanRoute route : scan_routes) {
        const PassLimits limits{.route = route};
        for (const std::uint32_t queries : {1U, batch_for(shape, limits)}) {
          const ScanTile tile = tile_for(shape, route, queries);
          const std::uint32_t slots = slots_for(tile, queries);
          Chunk chunk;
          // The first and the last, and that they join in between is ChunksCoverEveryPage's.
          const Chunk first = next_chunk(chunk, layout, shape, slots, limits);
          chunk = {0, (layout.pages - 1) / 128 * 128};
          const Chunk last = next_chunk(chunk, layout, shape, slots, limits);
          EXPECT_EQ(last.end_page, layout.pages);
          EXPECT_EQ(last.first_leaf(shape) + last.leaves(shape),
                    dpf::leaves_for(layout.pages * shape.records_per_page));
          for (const Chunk& each : {first, last}) {
            const MaskStep masks{.bits = {},
                                 .groups = each.groups(),
                                 .queries = queries,
                                 .layout = {shape.records_per_page, slots, tile.groups_together()}};
            EXPECT_LE(masks.blocks(), most_blocks);
            ScanWork work{.layout = layout,
                          .shape = shape,
                          .first_group = each.first_group(),
                          .groups = each.groups(),
                          .slots = slots};
            with_scan_step(tile, work, [&](auto step) {
              step.work.segments = step.segments_for(132);
              EXPECT_LE(step.work.segments, 132U * 16);
              EXPECT_GT(step.blocks(), 0U);
              EXPECT_LE(step.blocks(), most_blocks);
              EXPECT_LE(step.shared_bytes(), 48U * 1024);
              return 0;
            });
            const ExpandStep leaves{.queries = queries,
                                    .first = each.first_leaf(shape),
                                    .last = each.first_leaf(shape) + each.leaves(shape) - 1};
            EXPECT_LE(leaves.blocks(), most_blocks);
            EXPECT_GE(leaves.windows() * ExpandStep::nodes_per_block, each.leaves(shape));
          }
        }
      }
    }
  }
}

// How many launches a pass has follows from these.
// Of the rounds in which an H100 has a scan's blocks, the last one is nearly full, too.
TEST(LargeTables, ScansLeaveLittleOfAGpuIdleInTheirLastRound) {
  struct Expected {
    TableLayout layout;
    bool of_rows;
    ScanRoute route;
    std::uint32_t queries;
    std::uint64_t blocks;
    std::uint64_t resident;
  };
  const TableLayout pages{pages_of_64_gib, 1024, 1024};
  const TableLayout rows{pages_of_64_gib, 1024, 8};
  for (const Expected& each : {
           Expected{pages, false, ScanRoute::and_xor, 1, 2112, 528},
           Expected{pages, false, ScanRoute::and_xor, 8, 1584, 396},
           Expected{pages, false, ScanRoute::and_xor, 128, 1536, 396},
           Expected{pages, false, ScanRoute::tensor_bits, 128, 1024, 264},
           Expected{rows, true, ScanRoute::and_xor, 1, 1584, 528},
       }) {
    const QueryShape shape =
        each.of_rows ? QueryShape::of_rows(each.layout) : QueryShape::of_pages(each.layout);
    const ScanTile tile = tile_for(shape, each.route, each.queries);
    const std::uint32_t slots = slots_for(tile, each.queries);
    const Chunk chunk = next_chunk({}, each.layout, shape, slots, PassLimits{.route = each.route});
    ScanWork work{.layout = each.layout, .shape = shape, .groups = chunk.groups(), .slots = slots};
    with_scan_step(tile, work, [&](auto step) {
      step.work.segments = step.segments_for(132);
      EXPECT_EQ(132 * step.blocks_at_once, each.resident) << each.queries;
      EXPECT_EQ(step.blocks(), each.blocks) << each.queries;
      return 0;
    });
  }
}

TEST(ScanWork, SegmentsAreNeverMoreThanThereIsToDealAndFillWholeRounds) {
  for (const std::uint64_t resident : {1U, 6U, 264U, 396U, 528U}) {
    for (std::uint64_t units = 0; units < 3000; units = units * 9 / 8 + 1) {
      for (const std::uint64_t blocks : {1U, 3U, 8U, 64U, 256U, 1000U, 100'000U}) {
        const std::uint64_t segments = ScanWork::segments_for(units, blocks, resident);
        EXPECT_GE(segments, 1U);
        EXPECT_LE(segments, std::max<std::uint64_t>(units, 1));
        EXPECT_TRUE(segments == 1 || segments * blocks <= 4 * resident) << segments;
      }
    }
  }
  // As many as there are, and rounds that are all full.
  EXPECT_EQ(ScanWork::segments_for(5, 1, 396), 5U);
  EXPECT_EQ(ScanWork::segments_for(std::uint64_t{12'000} * 396, 1, 396), 4U * 396);
  // 7 segments of 256 blocks would fill half of a fifth round of 396.
  EXPECT_EQ(ScanWork::segments_for(1'000'000, 256, 396), 6U);
  // 301 to 400 would be a fourth round of two units each.
  EXPECT_EQ(ScanWork::segments_for(500, 1, 100), 300U);
}

TEST(LargeTables, APassOver64GiBHasFewChunks) {
  const auto chunks = [](const TableLayout& layout, const QueryShape& shape,
                         std::uint32_t queries) {
    const std::uint32_t slots = slots_for(tile_for(shape, ScanRoute::and_xor, queries), queries);
    unsigned count = 0;
    for (Chunk chunk; chunk.end_page < layout.pages; ++count) {
      chunk = next_chunk(chunk, layout, shape, slots, PassLimits{});
    }
    return count;
  };
  EXPECT_EQ(chunks(large_layouts[0], QueryShape::of_pages(large_layouts[0]), 1), 1U);
  EXPECT_EQ(chunks(large_layouts[0], QueryShape::of_pages(large_layouts[0]), 128), 16U);
  EXPECT_EQ(chunks(large_layouts[1], QueryShape::of_rows(large_layouts[1]), 1), 16U);
  // And what passes work with is a small part of a card.
  for (const TableLayout& layout : {large_layouts[0], large_layouts[1], large_layouts[2]}) {
    for (const QueryShape& shape : {QueryShape::of_rows(layout), QueryShape::of_pages(layout)}) {
      const PassNeeds needs = needs_of(layout, shape, 128, PassLimits{});
      EXPECT_LE(2 * (needs.masks + needs.bits) + needs.accumulators + needs.plain + needs.answers,
                scratch_for(shape, 128, PassLimits{}));
      EXPECT_LE(2 * (needs.nodes + needs.upper_nodes) + needs.parameters, 32U << 20U);
    }
  }
}

// 2^44 rows: leaves that no 32 bits count, from the tiers' last nodes down.
TEST(LargeTables, ExpansionReachesTheLastLeaves) {
  SeededRandom random(5);
  const std::uint64_t records = std::uint64_t{1} << 44U;
  const std::uint64_t leaves = dpf::leaves_for(records);
  const auto keys = dpf::generate(dpf::levels_for(records), records - 77, random).value();
  for (const dpf::Key& key : keys) {
    const TreeTop top = top_of_tree(key, leaves);
    std::vector<dpf::Block> nodes = top.nodes;
    std::uint64_t first = 0;
    for (unsigned height = tiers_for(leaves) * levels_per_tier; height > 0;) {
      height -= levels_per_tier;
      const std::uint64_t last = nodes_at(height, leaves) - 1;
      const std::uint64_t wanted = last - std::min<std::uint64_t>(last, 1500);
      std::vector<dpf::Block> out(last - wanted + 1);
      emulate(ExpandStep{.keys = &top.corrections,
                         .queries = 1,
                         .height = height,
                         .ancestors = nodes.data(),
                         .ancestors_stride = nodes.size(),
                         .first_ancestor = first,
                         .out = out.data(),
                         .out_stride = out.size(),
                         .first = wanted,
                         .last = last});
      nodes = std::move(out);
      first = wanted;
    }
    std::vector<dpf::Block> expected(nodes.size());
    dpf::expand(*dpf::expansion_kernels().back(), key, first, expected);
    EXPECT_EQ(nodes, expected);
  }
}

}  // namespace
}  // namespace gyre::cuda
