#include "core/seal_check.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/reference/reference_backend.hpp"
#include "core/checked_staging.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_device.hpp"

namespace gyre {
namespace {

// A check that was given the rows in pieces of random sizes.
SealCheck check_of(const Geometry& geometry, const Bytes& rows, SeededRandom& random) {
  auto check = SealCheck::create(geometry).value();
  for (std::uint64_t row = 0; row < geometry.rows;) {
    const std::uint64_t count = 1 + random.word() % (geometry.rows - row);
    check.add(row, std::span(rows).subspan(row * geometry.row_bytes, count * geometry.row_bytes));
    row += count;
  }
  return check;
}

std::shared_ptr<const Image> image_of(const Geometry& geometry, const Bytes& rows,
                                      SeededRandom& random) {
  static ReferenceBackend backend;
  return make_image(backend, geometry, rows, random).value();
}

// Both ways of checking agree; whether they have no complaint.
bool passes(const SealCheck& check, const Image& image) {
  const auto by_answers = code_of(check.check_answers(image));
  const auto by_rows = code_of(check.check_rows(image));
  RC_ASSERT(by_answers == by_rows);
  RC_ASSERT(!by_answers || by_answers == ErrorCode::image_corrupt);
  return !by_answers;
}

RC_GTEST_PROP(SealCheck, AnIntactImageNeverFails, ()) {
  const Geometry geometry = *any_geometry();
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Bytes rows = random_bytes(random, geometry.bytes());
  const SealCheck check = check_of(geometry, rows, random);
  RC_ASSERT(passes(check, *image_of(geometry, rows, random)));
}

RC_GTEST_PROP(SealCheck, AnyFlippedBitIsFound, ()) {
  const Geometry geometry = *any_geometry();
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  Bytes rows = random_bytes(random, geometry.bytes());
  const SealCheck check = check_of(geometry, rows, random);
  const std::uint64_t last = rows.size() - 1;
  const std::uint64_t place =
      *rc::gen::weightedOneOf<std::uint64_t>({{4, anywhere_in<std::uint64_t>(0, rows.size())},
                                              {1, rc::gen::element<std::uint64_t>(0, last)}});
  rows[place] ^= static_cast<std::byte>(1U << *anywhere_in<unsigned>(0, 8));
  RC_ASSERT(!passes(check, *image_of(geometry, rows, random)));
}

RC_GTEST_PROP(SealCheck, SwappedRowsAreFound, ()) {
  const Geometry geometry = *any_geometry();
  RC_PRE(geometry.rows > 1);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  Bytes rows = random_bytes(random, geometry.bytes());
  const SealCheck check = check_of(geometry, rows, random);
  const auto first = *anywhere_in<std::uint64_t>(0, geometry.rows - 1);
  const auto second = *anywhere_in<std::uint64_t>(first + 1, geometry.rows);
  const auto at = [&](std::uint64_t row) {
    return rows.begin() + static_cast<std::ptrdiff_t>(row * geometry.row_bytes);
  };
  RC_PRE(!std::equal(at(first), at(first + 1), at(second)));
  std::swap_ranges(at(first), at(first + 1), at(second));
  RC_ASSERT(!passes(check, *image_of(geometry, rows, random)));
}

RC_GTEST_PROP(SealCheck, AStaleChunkIsFound, ()) {
  const Geometry geometry = *any_geometry();
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Bytes rows = random_bytes(random, geometry.bytes());
  const SealCheck check = check_of(geometry, rows, random);
  const auto first = *anywhere_in<std::uint64_t>(0, rows.size());
  const auto count = *anywhere_in<std::uint64_t>(1, rows.size() - first + 1);
  Bytes stale = rows;
  std::fill_n(stale.begin() + static_cast<std::ptrdiff_t>(first), count, std::byte{0});
  RC_PRE(stale != rows);
  RC_ASSERT(!passes(check, *image_of(geometry, stale, random)));
}

// The combinations are those that their definition says, whatever the buckets do.
RC_GTEST_PROP(RowCombinations, AreTheSumsOfTheRowsThatTheMasksName, ()) {
  const Geometry geometry = *any_geometry();
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Bytes rows = random_bytes(random, geometry.bytes());
  const dpf::Block seed{random.word(), random.word()};
  std::vector<std::uint64_t> masks(geometry.rows);
  RowMasks(seed).fill(0, masks);
  const std::size_t row_bytes = geometry.row_bytes;
  Bytes expected(row_combinations * row_bytes);
  for (std::size_t row = 0; row < geometry.rows; ++row) {
    for (unsigned c = 0; c < row_combinations; ++c) {
      if (((masks[row] >> c) & 1U) == 0) continue;
      for (std::size_t b = 0; b < row_bytes; ++b) {
        expected[c * row_bytes + b] ^= rows[row * row_bytes + b];
      }
    }
  }
  auto combinations = RowCombinations::create(geometry.row_bytes, seed).value();
  const std::uint64_t half = geometry.rows / 2;
  combinations.add(half, std::span(rows).subspan(half * row_bytes));
  combinations.add(0, std::span(rows).first(half * row_bytes));
  RC_ASSERT(combinations.sums().value() == expected);
}

TEST(RowMasks, DependOnTheSecretAndNotOnWhereAPieceBegins) {
  std::vector<std::uint64_t> all(2000);
  RowMasks({.low = 1, .high = 2}).fill(0, all);
  for (const std::size_t first : {1U, 2U, 511U, 777U}) {
    std::vector<std::uint64_t> some(1001);
    RowMasks({.low = 1, .high = 2}).fill(first, some);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + static_cast<int>(first)));
  }
  std::vector<std::uint64_t> others(2000);
  RowMasks({.low = 1, .high = 3}).fill(0, others);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  for (const std::uint64_t mask : others) {
    EXPECT_FALSE(std::binary_search(all.begin(), all.end(), mask));
  }
}

TEST(SealCheck, TwoChecksOfTheSameRowsAskForDifferentCombinations) {
  const Geometry geometry{.rows = 64, .row_bytes = 8, .rows_per_page = 1};
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, geometry.bytes());
  SeededRandom secrets(2);
  auto one = RowCombinations::create(8, {secrets.word(), secrets.word()}).value();
  auto two = RowCombinations::create(8, {secrets.word(), secrets.word()}).value();
  one.add(0, rows);
  two.add(0, rows);
  EXPECT_NE(one.sums().value(), two.sums().value());
}

TEST(SealCheck, OfAnotherGeometryIsNoMatch) {
  const Geometry geometry{.rows = 64, .row_bytes = 8, .rows_per_page = 1};
  const Geometry other{.rows = 32, .row_bytes = 16, .rows_per_page = 1};
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const SealCheck check = check_of(geometry, rows, random);
  EXPECT_EQ(code_of(check.check_rows(*image_of(other, rows, random))), ErrorCode::image_corrupt);
  EXPECT_EQ(code_of(check.check_answers(*image_of(other, rows, random))), ErrorCode::image_corrupt);
}

TEST(CheckedStaging, GivesWhatIsInsideOrNothing) {
  const Geometry geometry{.rows = 300, .row_bytes = 36, .rows_per_page = 3};
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, geometry.bytes());
  TestDevice device;
  const auto stage = [&](Backend& backend) -> Result<std::shared_ptr<const Image>> {
    auto staging = CheckedStaging::create(backend, geometry).value();
    if (auto written = staging->write(0, rows); !written) return forward_error(written);
    return staging->seal();
  };
  const auto cpu = CpuBackend::create({.threads = 2}).value();
  EXPECT_TRUE(stage(*cpu));
  EXPECT_TRUE(stage(device.backend));
  EXPECT_EQ(device.used(), 0U);
  for (const std::uint64_t offset : {std::uint64_t{0}, geometry.bytes() - 1}) {
    device.device->flip_bit(offset, 7);
    EXPECT_EQ(code_of(stage(device.backend)), ErrorCode::image_corrupt);
    EXPECT_EQ(device.used(), 0U);
  }
  device.device->repair();
  device.device->shorten_upload(0);
  EXPECT_EQ(code_of(stage(device.backend)), ErrorCode::image_corrupt);
  EXPECT_EQ(device.used(), 0U);
}

}  // namespace
}  // namespace gyre
