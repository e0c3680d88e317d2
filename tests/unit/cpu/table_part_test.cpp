#include "backends/cpu/table_part.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/generators.hpp"

namespace gyre::cpu {
namespace {

std::size_t parts_of(const Geometry& geometry, const PartBounds& bounds) {
  return parts_of_table(geometry, InterleavedLayout(geometry), bounds);
}

TEST(TableParts, AreAsManyAsAreWorthIt) {
  const Geometry gibibyte{.rows = 1U << 25U, .row_bytes = 32, .rows_per_page = 128};
  const std::uint64_t mebibyte = 1U << 20U;
  EXPECT_EQ(parts_of(gibibyte, {.least_bytes = 128 * mebibyte, .most_parts = 8}), 8U);
  EXPECT_EQ(parts_of(gibibyte, {.least_bytes = 128 * mebibyte, .most_parts = 5}), 5U);
  EXPECT_EQ(parts_of(gibibyte, {.least_bytes = 129 * mebibyte, .most_parts = 8}), 7U);
  EXPECT_EQ(parts_of(gibibyte, {.least_bytes = 2048 * mebibyte, .most_parts = 8}), 1U);
  EXPECT_EQ(parts_of(gibibyte, {.least_bytes = 1, .most_parts = 1}), 1U);
  // A part has at least a group, and a table of no group is one part.
  const Geometry two_groups{.rows = 17 * 4, .row_bytes = 8, .rows_per_page = 4};
  EXPECT_EQ(parts_of(two_groups, {.least_bytes = 1, .most_parts = 8}), 2U);
  const Geometry tail_alone{.rows = 7 * 4, .row_bytes = 8, .rows_per_page = 4};
  EXPECT_EQ(parts_of(tail_alone, {.least_bytes = 1, .most_parts = 8}), 1U);
}

RC_GTEST_PROP(TableParts, CoverATableOnceInNearlyEqualParts, ()) {
  const auto rows_per_page = *anywhere_in<std::uint32_t>(1, 20);
  const std::uint64_t rows = rows_per_page * *anywhere_in<std::uint64_t>(1, 1'000);
  const Geometry geometry{.rows = rows, .row_bytes = 4, .rows_per_page = rows_per_page};
  const InterleavedLayout layout(geometry);
  const std::size_t parts = parts_of_table(
      geometry, layout,
      {.least_bytes = *anywhere_in<std::uint64_t>(0, 5'000), .most_parts = 1 + rows % 16});
  std::uint64_t next_page = 0;
  std::uint64_t next_row = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    const TablePart one = TablePart::of(layout, part, parts);
    RC_ASSERT(one.first_page() == next_page);
    RC_ASSERT(one.groups >= layout.groups() / parts);
    RC_ASSERT(one.groups <= layout.groups() / parts + 1);
    next_page += one.pages();
    const RowRange range = rows_of(geometry, one);
    RC_ASSERT(range.first == next_row);
    next_row = range.end;
  }
  RC_ASSERT(next_page == geometry.pages());
  RC_ASSERT(next_row == geometry.rows);
  const TablePart whole = TablePart::of(layout, Pass::whole_table, parts);
  RC_ASSERT(whole.first_page() == 0U);
  RC_ASSERT(whole.pages() == geometry.pages());
}

TEST(TableParts, ABatchHasItsRowsInOneOfThem) {
  const OverlayBatch batch{
      .seq = 1, .rows = {3, 8, 9, 20}, .differences = std::vector<std::byte>(16)};
  const auto* const first = reinterpret_cast<const std::uint8_t*>(batch.differences.data());
  const BatchRows some = rows_in(batch, {.first = 8, .end = 20}, 4);
  EXPECT_EQ(std::vector(some.rows.begin(), some.rows.end()), (std::vector<std::uint64_t>{8, 9}));
  EXPECT_EQ(some.differences, first + 4);
  EXPECT_TRUE(rows_in(batch, {.first = 10, .end = 20}, 4).rows.empty());
  EXPECT_EQ(rows_in(batch, {.first = 0, .end = 21}, 4).rows.size(), 4U);
}

}  // namespace
}  // namespace gyre::cpu
