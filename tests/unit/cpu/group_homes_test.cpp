#include "backends/cpu/group_homes.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/support/generators.hpp"

namespace gyre::cpu {
namespace {

// Of whatever table, without its memory.
RC_GTEST_PROP(GroupHomes, EveryPartLiesOnAllNodesInEqualShares, ()) {
  const Geometry geometry{.rows = 128 * *anywhere_in<std::uint64_t>(1, 1U << 17U),
                          .row_bytes = 32,
                          .rows_per_page = 128};
  const InterleavedLayout layout(geometry);
  const auto nodes = *anywhere_in<unsigned>(1, 8);
  const std::size_t parts =
      parts_of_table(geometry, layout,
                     {.least_bytes = *anywhere_in<std::uint64_t>(1, 1U << 28U), .most_parts = 8});
  const GroupHomes homes(layout, parts, nodes);
  for (std::size_t part = 0; part < parts; ++part) {
    const TablePart one = TablePart::of(layout, part, parts);
    const std::uint64_t end = one.first_group + one.groups;
    // Chunks that begin in the part: what comes before counts with the part before.
    const std::uint64_t per_chunk = layout.groups_per_chunk();
    const std::uint64_t first_chunk = (one.first_group + per_chunk - 1) / per_chunk;
    std::vector<std::uint64_t> chunks_on(nodes);
    unsigned last = 0;
    for (std::uint64_t chunk = first_chunk; chunk * per_chunk < end; ++chunk) {
      const unsigned node = homes.of_chunk(chunk);
      RC_ASSERT(node < nodes);
      RC_ASSERT(node >= last);  // consecutive ones on each
      RC_ASSERT(homes.of_group(chunk * per_chunk + (per_chunk - 1)) == node);
      last = node;
      ++chunks_on[node];
    }
    const auto [fewest, most] = std::minmax_element(chunks_on.begin(), chunks_on.end());
    RC_ASSERT(*most - *fewest <= 2U);
  }
}

TEST(GroupHomes, WhatFollowsTheLastGroupIsWithIt) {
  const Geometry geometry{.rows = 3 * 4, .row_bytes = 8, .rows_per_page = 4};
  EXPECT_EQ(GroupHomes(InterleavedLayout(geometry), 1, 5).of_group(0), 0U) << "no group at all";
  const Geometry larger{.rows = 128 * 8 * 1000, .row_bytes = 32, .rows_per_page = 128};
  const InterleavedLayout layout(larger);
  const GroupHomes homes(layout, 2, 2);
  EXPECT_EQ(homes.of_group(layout.groups() + 10), homes.of_group(layout.groups() - 1));
  EXPECT_EQ(homes.of_group(layout.groups() - 1), 1U);
}

}  // namespace
}  // namespace gyre::cpu
