// Every updated row goes to the chunk that has its selection bits, once for each batch that changes
// it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "backends/cuda/overlay_rows.hpp"
#include "backends/cuda/pass_plan.hpp"
#include "tests/support/generators.hpp"

namespace gyre::cuda {
namespace {

using Row = std::pair<std::uint64_t, std::vector<std::byte>>;  // its number and its difference

RC_GTEST_PROP(OverlayRows, EachIsInTheChunkThatItsPageIsIn, ()) {
  const auto pages = *anywhere_in<std::uint64_t>(1, 3000);
  const auto rows_per_page = *anywhere_in<std::uint32_t>(1, 5);
  const auto row_words = *anywhere_in<std::uint32_t>(1, 4);
  const TableLayout layout{pages, rows_per_page * row_words, row_words};
  const QueryShape shape =
      *rc::gen::arbitrary<bool>() ? QueryShape::of_rows(layout) : QueryShape::of_pages(layout);
  std::vector<Chunk> chunks;
  for (Chunk chunk; chunk.end_page < pages;) {
    chunk = next_chunk(chunk, layout, shape, 8, {.selection_bytes = 1});
    chunks.push_back(chunk);
  }

  std::vector<OverlayBatch> batches(*anywhere_in<std::size_t>(0, 4));
  std::vector<Row> expected;
  for (OverlayBatch& batch : batches) {
    const auto some = *rc::gen::container<std::vector<std::uint64_t>>(
        anywhere_in<std::uint64_t>(0, pages * rows_per_page));
    const std::set<std::uint64_t> rows(some.begin(), some.end());
    for (const std::uint64_t row : rows) {
      batch.rows.push_back(row);
      const std::vector<std::byte> difference(row_words * sizeof(std::uint32_t),
                                              std::byte(expected.size()));
      batch.differences.insert(batch.differences.end(), difference.begin(), difference.end());
      expected.emplace_back(row, difference);
    }
  }
  std::vector<const OverlayBatch*> pointers;
  for (const OverlayBatch& batch : batches) pointers.push_back(&batch);

  ParameterBlock block;
  block.extend(*anywhere_in<std::uint64_t>(0, 40));  // what was there before
  const OverlayRows sorted = append_rows(pointers, layout, chunks, block);
  std::vector<Row> found;
  RC_ASSERT(sorted.chunk_ends.size() == chunks.size());
  for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    for (std::uint64_t i = 0; i < sorted.count(chunk); ++i) {
      const std::uint64_t place = sorted.first(chunk) + i;
      std::uint64_t row = 0;
      std::memcpy(&row, block.data() + sorted.rows_at + place * sizeof(row), sizeof(row));
      RC_ASSERT(row / rows_per_page >= chunks[chunk].first_page);
      RC_ASSERT(row / rows_per_page < chunks[chunk].end_page);
      const std::uint64_t row_bytes = row_words * sizeof(std::uint32_t);
      const std::byte* const difference = block.data() + sorted.differences_at + place * row_bytes;
      found.emplace_back(row, std::vector<std::byte>(difference, difference + row_bytes));
    }
  }
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  RC_ASSERT(found == expected);
}

}  // namespace
}  // namespace gyre::cuda
