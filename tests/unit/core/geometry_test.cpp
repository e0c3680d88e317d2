#include "core/geometry.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace gyre {
namespace {

ErrorCode code_of(std::uint64_t rows, std::uint32_t row_bytes, std::uint32_t rows_per_page) {
  const auto geometry = Geometry::create(rows, row_bytes, rows_per_page);
  return geometry ? ErrorCode::internal : geometry.error().code;
}

TEST(Geometry, AcceptsTheBounds) {
  for (const std::uint32_t row_bytes : {4U, 36U, 65'536U}) {
    const auto geometry = Geometry::create(6, row_bytes, 3);
    ASSERT_TRUE(geometry);
    EXPECT_EQ(geometry->pages(), 2U);
    EXPECT_EQ(geometry->bytes(), 6U * row_bytes);
    EXPECT_EQ(geometry->answer_bytes(QueryKind::page), 3U * row_bytes);
    EXPECT_EQ(geometry->records(QueryKind::row), 6U);
  }
}

TEST(Geometry, RefusesWhatIsNoShape) {
  EXPECT_EQ(code_of(0, 32, 1), ErrorCode::empty_snapshot);
  EXPECT_EQ(code_of(5, 32, 2), ErrorCode::misaligned_size);
  for (const std::uint32_t row_bytes : {0U, 2U, 3U, 33U, 65'540U}) {
    EXPECT_EQ(code_of(8, row_bytes, 1), ErrorCode::geometry_mismatch) << row_bytes;
  }
  EXPECT_EQ(code_of(8, 32, 0), ErrorCode::geometry_mismatch);
}

TEST(Geometry, NoProductOverflows) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(code_of(most, 65'536, 1), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of(most / 4 + 1, 4, 1), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of(std::uint64_t{1} << 32U, 65'536, std::numeric_limits<std::uint32_t>::max()),
            ErrorCode::geometry_mismatch);
}

TEST(Geometry, DefaultPageIsFourKibibytesOrOneRow) {
  EXPECT_EQ(Geometry::default_rows_per_page(4), 1024U);
  EXPECT_EQ(Geometry::default_rows_per_page(32), 128U);
  EXPECT_EQ(Geometry::default_rows_per_page(36), 113U);
  EXPECT_EQ(Geometry::default_rows_per_page(4096), 1U);
  EXPECT_EQ(Geometry::default_rows_per_page(65'536), 1U);
}

}  // namespace
}  // namespace gyre
