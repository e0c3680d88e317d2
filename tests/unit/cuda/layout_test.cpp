// The kernels' arithmetic of indices, exhaustively on small shapes.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "backends/cuda/any_scan_step.hpp"
#include "backends/cuda/mask_step.hpp"
#include "backends/cuda/matrix_product.hpp"
#include "backends/cuda/pass_plan.hpp"
#include "backends/cuda/table_layout.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "backends/cuda/transfer_steps.hpp"
#include "tests/unit/cuda/host_steps.hpp"

namespace gyre::cuda {
namespace {

TEST(BitMatrix, TranspositionSwapsEveryBitWithItsMirror) {
  for (unsigned row = 0; row < 32; ++row) {
    for (unsigned column = 0; column < 32; ++column) {
      std::uint32_t m[32] = {};
      m[row] = 1U << column;
      transpose(m);
      for (unsigned i = 0; i < 32; ++i) ASSERT_EQ(m[i], i == column ? 1U << row : 0U);
    }
  }
}

const std::vector<TableLayout> small_layouts = [] {
  std::vector<TableLayout> layouts;
  for (const std::uint64_t pages : {1U, 31U, 32U, 33U, 64U, 95U, 128U, 161U}) {
    for (const std::uint32_t row_words : {1U, 3U, 4U, 9U}) {
      for (const std::uint32_t rows : {1U, 2U, 5U}) {
        layouts.push_back({pages, row_words * rows, row_words});
      }
    }
  }
  return layouts;
}();

// Word w of page p is p * 1000003 + w * 7919, so any two differ.
std::uint32_t word_at(const TableLayout& layout, std::uint64_t at) {
  return static_cast<std::uint32_t>(at / layout.page_words * 1000003 +
                                    at % layout.page_words * 7919);
}

std::vector<std::uint32_t> image_of(const TableLayout& layout) {
  std::vector<std::uint32_t> rows(layout.words());
  for (std::uint64_t i = 0; i < rows.size(); ++i) rows[i] = word_at(layout, i);
  std::vector<std::uint32_t> image(layout.words(), 0xA5A5A5A5);
  emulate(InsertStep{layout, image.data(), rows.data(), 0, rows.size()});
  return image;
}

TEST(TableLayout, KeepsBitJOfEveryPageOfAGroupWhereThePageJWouldBe) {
  for (const TableLayout& layout : small_layouts) {
    const auto image = image_of(layout);
    std::set<std::uint64_t> places;
    for (std::uint64_t group = 0; group < layout.groups(); ++group) {
      for (std::uint32_t bit = 0; bit < 32; ++bit) {
        for (std::uint32_t word = 0; word < layout.page_words; ++word) {
          const std::uint64_t place = layout.grouped_word(group, bit, word);
          ASSERT_TRUE(places.insert(place).second);
          for (std::uint64_t page = 0; page < 32; ++page) {
            const std::uint64_t at = (group * 32 + page) * layout.page_words + word;
            ASSERT_EQ((image[place] >> page) & 1U, (word_at(layout, at) >> bit) & 1U);
          }
        }
      }
    }
    const std::uint64_t grouped = layout.groups() * layout.group_words();
    ASSERT_EQ(places.size(), grouped);
    for (std::uint64_t at = grouped; at < layout.words(); ++at) {
      ASSERT_EQ(image[at], word_at(layout, at));
    }
  }
}

TEST(TableLayout, AnyPieceGoesInAndComesOutAndLeavesTheRestAlone) {
  for (const TableLayout& layout : small_layouts) {
    if (layout.page_words > 10 || layout.pages > 100) continue;
    const auto before = image_of(layout);
    const std::uint64_t step = 1 + layout.words() / 23;
    for (std::uint64_t first = 0; first < layout.words(); first += step) {
      for (std::uint64_t count = 1; count <= layout.words() - first; count += step) {
        auto image = before;
        std::vector<std::uint32_t> rows(count);
        for (std::uint64_t i = 0; i < count; ++i) rows[i] = ~word_at(layout, first + i);
        emulate(InsertStep{layout, image.data(), rows.data(), first, count});
        std::vector<std::uint32_t> out(count);
        emulate(ExtractStep{layout, image.data(), out.data(), first, count});
        ASSERT_EQ(out, rows);
        std::vector<std::uint32_t> all(layout.words());
        emulate(ExtractStep{layout, image.data(), all.data(), 0, all.size()});
        for (std::uint64_t i = 0; i < all.size(); ++i) {
          const bool changed = i >= first && i - first < count;
          ASSERT_EQ(all[i], changed ? rows[i - first] : word_at(layout, i));
        }
      }
    }
  }
}

// What a piece writes lies in the words that are said to hold it: nothing else need be a copy's
// own.
TEST(TableLayout, APieceWritesNoWordOutsideItsRange) {
  for (const TableLayout& layout : small_layouts) {
    if (layout.page_words > 10) continue;
    const std::uint64_t step = 1 + layout.words() / 23;
    for (std::uint64_t first = 0; first < layout.words(); first += step) {
      for (std::uint64_t count = 1; count <= layout.words() - first; count += step) {
        const WordRange range = layout.image_words(first, count);
        ASSERT_LE(range.end, layout.words());
        std::vector<std::uint32_t> image(layout.words(), 0);
        const std::vector<std::uint32_t> rows(count, 0xFFFFFFFF);
        emulate(InsertStep{layout, image.data(), rows.data(), first, count});
        for (std::uint64_t i = 0; i < image.size(); ++i) {
          if (i < range.begin || i >= range.end) {
            ASSERT_EQ(image[i], 0U);
          }
        }
      }
    }
  }
}

// Every word of a group belongs to exactly one thread, and its sum to the right place.
TEST(ScanPartition, CoversEveryWordOfAGroupOnce) {
  for (const TableLayout& layout : small_layouts) {
    for (const bool rows : {false, true}) {
      const QueryShape shape = rows ? QueryShape::of_rows(layout) : QueryShape::of_pages(layout);
      for (const std::uint32_t queries : {1U, 2U, 8U, 9U, 100U}) {
        const ScanTile tile = tile_for(shape, ScanRoute::and_xor, queries);
        const ScanPartition parts{tile, shape, layout.page_words};
        std::set<std::uint64_t> words;
        for (std::uint32_t t = 0; t < parts.tiles(); ++t) {
          const auto place = parts.place(t);
          for (std::uint64_t c = 0; c < tile.columns; ++c) {
            for (std::uint64_t v = 0; v < tile.vector; ++v) {
              const std::uint64_t word = place.word + c * parts.column_stride() + v;
              ASSERT_TRUE(words.insert(word).second);
              const std::uint64_t bit = word / layout.page_words;
              const std::uint64_t of_page = word % layout.page_words;
              ASSERT_EQ(place.sum + c * parts.sum_stride() + v,
                        bit * shape.record_words + of_page % shape.record_words);
              if (rows) {
                ASSERT_EQ(place.position, of_page / shape.record_words);
              }
            }
          }
          if (tile.vector == 4) {
            ASSERT_EQ(place.word % 4, 0U);
          }
        }
        ASSERT_EQ(words.size(), layout.group_words());
        ASSERT_EQ(*words.rbegin(), layout.group_words() - 1);
        ASSERT_GE(parts.blocks_across() * parts.tiles_per_block(), parts.tiles());
        ASSERT_LE(parts.groups_at_once() * parts.tiles_per_block(), ScanPartition::threads);
      }
    }
  }
}

TEST(TileFor, HoldsAllQueriesInWholeSets) {
  for (const TableLayout& layout : small_layouts) {
    for (const QueryShape& shape : {QueryShape::of_rows(layout), QueryShape::of_pages(layout)}) {
      for (const ScanRoute route : scan_routes) {
        for (std::uint32_t queries = 1; queries < 200; ++queries) {
          const ScanTile tile = tile_for(shape, route, queries);
          const std::uint32_t slots = slots_for(tile, queries);
          with_scan_step(tile, ScanWork{.layout = layout, .shape = shape, .slots = slots},
                         [&](const auto& step) {
                           EXPECT_EQ(step.sets() * tile.queries, slots);
                           return 0;
                         });
          if (queries == 1) {
            EXPECT_EQ(slots, 1U);
          }
          if (tile.vector == 4 && shape.records_per_page > 1) {
            EXPECT_EQ(shape.record_words % 4, 0U);
          }
        }
      }
    }
  }
}

TEST(ScanRoute, IsFoundByItsName) {
  for (const ScanRoute route : scan_routes) EXPECT_EQ(route_of_name(name_of(route)), route);
  EXPECT_EQ(route_of_name("and"), std::nullopt);
  EXPECT_EQ(route_of_name(""), std::nullopt);
}

TEST(MaskLayout, GivesEveryMaskAPlaceOfItsOwn) {
  for (const std::uint32_t together : {1U, 4U, 8U}) {
    for (const std::uint32_t records : {1U, 2U, 5U}) {
      for (const std::uint64_t groups : {1U, 7U, 8U, 13U}) {
        const MaskLayout layout{records, 4, together};
        std::set<std::uint64_t> places;
        for (std::uint64_t g = 0; g < layout.groups(groups); ++g) {
          for (std::uint32_t p = 0; p < records; ++p) {
            for (std::uint32_t s = 0; s < 4; ++s) {
              ASSERT_TRUE(places.insert(layout.index(g, p, s)).second);
              if (together == 8 && g % 8 < 4) {
                ASSERT_EQ(layout.index(g + 4, p, s), layout.index(g, p, s) + 1);
              }
              if (p > 0) {
                ASSERT_EQ(layout.index(g, p, s) - layout.index(g, p - 1, s),
                          layout.position_stride());
              }
            }
          }
        }
        ASSERT_EQ(places.size(), layout.words(groups));
        ASSERT_EQ(*places.rbegin(), layout.words(groups) - 1);
      }
    }
  }
}

TEST(MaskStep, PutsTheBitOfEveryRecordWhereItsPageAndPositionSay) {
  for (const std::uint32_t records : {1U, 2U, 31U, 32U, 33U, 113U, 128U}) {
    for (const std::uint32_t together : {1U, 4U, 8U}) {
      constexpr std::uint64_t groups = 5;
      constexpr std::uint32_t queries = 3;
      const std::uint64_t words = groups * records;  // exactly: no word past the last may be read
      std::vector<std::uint32_t> bits(queries * words);
      for (std::size_t i = 0; i < bits.size(); ++i) {
        bits[i] = static_cast<std::uint32_t>((i + 1) * 2654435761U);
      }
      const MaskLayout layout{records, 4, together};
      std::vector<std::uint32_t> masks(layout.words(groups), 0xA5A5A5A5);
      emulate(MaskStep{{bits.data(), words}, groups, queries, layout, masks.data()});
      for (std::uint64_t g = 0; g < layout.groups(groups); ++g) {
        for (std::uint32_t p = 0; p < records; ++p) {
          for (std::uint32_t q = 0; q < 4; ++q) {
            const std::uint32_t mask = masks[layout.index(g, p, q)];
            for (std::uint64_t i = 0; i < 32; ++i) {
              const std::uint64_t record = (g * 32 + i) * records + p;
              const std::uint32_t expected =
                  q < queries && g < groups ? (bits[q * words + record / 32] >> (record % 32)) & 1U
                                            : 0U;
              ASSERT_EQ((mask >> i) & 1U, expected);
            }
          }
        }
      }
    }
  }
}

TEST(MatrixFragments, HoldEveryElementOnce) {
  using F = MatrixFragments;
  std::set<unsigned> first;
  std::set<unsigned> second;
  std::set<unsigned> counts;
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      first.insert(F::first_row(lane, i) * F::depth_words + F::first_word(lane, i));
      counts.insert(F::count_row(lane, i) * F::columns + F::count_column(lane, i));
    }
    for (unsigned i = 0; i < 2; ++i) {
      second.insert(F::second_column(lane) * F::depth_words + F::second_word(lane, i));
    }
  }
  EXPECT_EQ(first.size(), F::rows * F::depth_words);
  EXPECT_EQ(*first.rbegin(), F::rows * F::depth_words - 1);
  EXPECT_EQ(second.size(), F::columns * F::depth_words);
  EXPECT_EQ(*second.rbegin(), F::columns * F::depth_words - 1);
  EXPECT_EQ(counts.size(), F::rows * F::columns);
  EXPECT_EQ(*counts.rbegin(), F::rows * F::columns - 1);
}

// Each bit of a word is in one register of one product, and both operands have it in the same
// place.
template <typename Elements>
void expect_every_bit_once() {
  constexpr unsigned groups = Elements::groups_a_lane;
  for (unsigned group = 0; group < groups; ++group) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      std::uint32_t one[groups] = {};
      one[group] = 1U << bit;
      for (unsigned other_group = 0; other_group < groups; ++other_group) {
        for (unsigned other = 0; other < 32; ++other) {
          std::uint32_t second[groups] = {};
          second[other_group] = 1U << other;
          std::int32_t sum = 0;
          for (unsigned product = 0; product < Elements::products; ++product) {
            for (unsigned half = 0; half < 2; ++half) {
              sum += Elements::dot(Elements::part(one, product, half),
                                   Elements::part(second, product, half));
            }
          }
          ASSERT_EQ(sum, group == other_group && bit == other ? 1 : 0);
        }
      }
    }
  }
}
TEST(MatrixElements, BitsMeetTheirLikeOnce) {
  expect_every_bit_once<BitElements>();
}
TEST(MatrixElements, BytesMeetTheirLikeOnce) {
  expect_every_bit_once<ByteElements>();
}

// Groups that fill no product, pages of one row and of several, several sets and segments.
TEST(ScanSteps, AllRoutesAddWhatTheMasksSelect) {
  for (const ScanRoute route : scan_routes) {
    for (const std::uint32_t row_words : {3U, 4U, 12U}) {
      for (const std::uint32_t rows : {1U, 3U}) {
        for (const std::uint64_t groups : {1U, 3U, 4U, 5U, 8U, 9U}) {
          for (const std::uint32_t queries : {1U, 5U, 9U, 33U, 130U}) {
            constexpr std::uint64_t first_group = 1;
            const TableLayout layout{(first_group + groups) * 32, row_words * rows, row_words};
            for (const QueryShape& shape :
                 {QueryShape::of_rows(layout), QueryShape::of_pages(layout)}) {
              // Any page may be one large record; what tells the routes apart is its alignment.
              if (shape.records_per_page == 1 && layout.page_words % 4 != 0) continue;
              const auto image = image_of(layout);
              ASSERT_TRUE(scans_by_definition(layout, shape, route, queries, image.data(),
                                              first_group, groups))
                  << name_of(route) << ", rows of " << row_words << " words, " << rows
                  << " a page, " << groups << " groups, " << queries << " queries";
            }
          }
        }
      }
    }
  }
}

TEST(BatchFor, IsTheMostThatTheMemoryHolds) {
  for (const ScanRoute route : scan_routes) {
    const PassLimits limits{.route = route};
    for (const std::uint32_t record_words : {1U, 8U, 1024U, 1U << 18U, 1U << 20U, 1U << 24U}) {
      for (const std::uint32_t records : {1U, 128U, 1U << 15U, 1U << 22U}) {
        const QueryShape shape{record_words, records};
        const std::uint32_t batch = batch_for(shape, limits);
        ASSERT_GE(batch, 1U);
        ASSERT_LE(batch, limits.batch);
        if (batch > 1) {
          ASSERT_LE(scratch_for(shape, batch, limits), limits.scratch_bytes);
        }
        for (std::uint32_t more = batch + 1; more <= limits.batch; ++more) {
          ASSERT_GT(scratch_for(shape, more, limits), limits.scratch_bytes);
        }
      }
    }
  }
  // Pages of a MiB: nine would be 32, of which each has 32 MiB of accumulators.
  EXPECT_EQ(batch_for({1U << 18U, 1}, PassLimits{}), 8U);
  EXPECT_EQ(batch_for({1024, 1}, PassLimits{}), 128U);
}

TEST(Chunk, ChunksCoverEveryPageAndBeginWithALeaf) {
  for (const std::uint64_t pages : {1U, 127U, 128U, 129U, 255U, 256U, 1000U, 131'072U, 500'000U}) {
    for (const std::uint32_t records : {1U, 5U, 113U, 128U}) {
      for (const std::uint64_t selection_bytes : {1U, 4096U, 1U << 24U}) {
        const TableLayout layout{pages, records, 1};
        const QueryShape shape = QueryShape::of_rows(layout);
        const PassLimits limits{.selection_bytes = selection_bytes};
        std::uint64_t end = 0;
        const std::uint64_t whole = next_chunk({}, layout, shape, 8, limits).end_page;
        for (Chunk chunk; chunk.end_page < pages;) {
          chunk = next_chunk(chunk, layout, shape, 8, limits);
          ASSERT_EQ(chunk.first_page, end);
          ASSERT_TRUE(chunk.end_page == pages || chunk.end_page - chunk.first_page == whole);
          ASSERT_GT(chunk.end_page, chunk.first_page);
          ASSERT_EQ(chunk.first_record(shape) % 128, 0U);
          ASSERT_GE((chunk.first_leaf(shape) + chunk.leaves(shape)) * 128, chunk.end_record(shape));
          if (chunk.end_page < pages) {
            ASSERT_EQ(chunk.tail_pages(), 0U);
          }
          // What a whole chunk takes, or the least that there is, and the pages at the end.
          ASSERT_LE(chunk.end_page - chunk.first_page,
                    std::max<std::uint64_t>(selection_bytes / records + 128, 256));
          end = chunk.end_page;
        }
        ASSERT_EQ(end, pages);
        ASSERT_EQ(layout.grouped_pages() + layout.tail_pages(), pages);
      }
    }
  }
}

TEST(TopOfTree, LeavesAtLeastALevelToTheHost) {
  EXPECT_EQ(tiers_for(1), 0U);
  EXPECT_EQ(tiers_for(128), 0U);
  EXPECT_EQ(tiers_for(129), 1U);
  EXPECT_EQ(tiers_for(std::uint64_t{1} << 14U), 1U);
  EXPECT_EQ(tiers_for((std::uint64_t{1} << 14U) + 1), 2U);
  EXPECT_EQ(tiers_for(std::uint64_t{1} << 24U), 3U);
  for (std::uint64_t leaves = 129; leaves < std::uint64_t{1} << 40U; leaves = leaves * 2 - 1) {
    const std::uint64_t nodes = nodes_at(levels_per_tier * tiers_for(leaves), leaves);
    EXPECT_GE(nodes, 2U);
    EXPECT_LE(nodes, 128U);
  }
}

}  // namespace
}  // namespace gyre::cuda
