// That measurements measure what they say: the numbers themselves are the machine's business.
#include "harness/bench/measure.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "backends/cpu/executor.hpp"
#include "backends/reference/reference_backend.hpp"
#include "harness/bench/baselines.hpp"
#include "harness/bench/batch_measure.hpp"
#include "harness/bench/read_bandwidth.hpp"
#include "tests/support/code_of.hpp"

namespace gyre::bench {
namespace {

TEST(SyntheticTable, IsTheSameInAnyPieces) {
  std::vector<std::byte> whole(4096);
  fill_synthetic(9, 0, whole);
  std::vector<std::byte> pieces(whole.size());
  for (std::size_t at = 0; at < pieces.size(); at += 36) {
    fill_synthetic(9, at, std::span(pieces).subspan(at, std::min<std::size_t>(36, 4096 - at)));
  }
  EXPECT_EQ(pieces, whole);
  std::vector<std::byte> other(whole.size());
  fill_synthetic(10, 0, other);
  EXPECT_NE(other, whole);
}

TEST(SyntheticTable, IsWhatTheImageHolds) {
  const Geometry geometry{.rows = 113 * 9, .row_bytes = 36, .rows_per_page = 113};
  ReferenceBackend backend;
  const auto image = make_synthetic_image(backend, geometry, 4);
  ASSERT_TRUE(image) << image.error().message;
  std::vector<std::byte> row(36);
  ASSERT_TRUE((*image)->read_rows(1000, row));
  std::vector<std::byte> expected(36);
  fill_synthetic(4, 1000 * 36, expected);
  EXPECT_EQ(row, expected);
}

TEST(PlainRead, TouchesEveryByte) {
  auto executor = cpu::make_pool_executor(2);
  ASSERT_TRUE(executor);
  std::vector<std::uint8_t> memory((std::size_t{9} << 20U) + 13);
  for (const std::size_t at : {std::size_t{0}, std::size_t{1} << 20U, memory.size() - 1}) {
    const auto before = read_all(**executor, std::vector{std::span<const std::uint8_t>(memory)});
    memory[at] = static_cast<std::uint8_t>(memory[at] + 1);
    const auto after = read_all(**executor, std::vector{std::span<const std::uint8_t>(memory)});
    ASSERT_TRUE(before && after);
    EXPECT_EQ(*after - *before, 1U);
  }
}

TEST(Spread, IsMedianLowestAndHighest) {
  const Spread odd = spread_of({3, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.lowest, 1);
  EXPECT_EQ(odd.highest, 3);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
}

TEST(ScanMeasurement, SaysWhatItMeasured) {
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    ScanPlan plan;
    plan.geometry = {.rows = 128 * 100, .row_bytes = 32, .rows_per_page = 128};
    plan.kind = kind;
    plan.backend = {.kernel = "portable", .threads = 2};
    plan.repetitions = 3;
    const auto figures = measure_single_query_scan(plan);
    ASSERT_TRUE(figures) << figures.error().message;
    EXPECT_EQ(figures->kernel, "portable");
    EXPECT_FALSE(figures->expansion_kernel.empty());
    EXPECT_EQ(figures->threads, 2U);
    EXPECT_EQ(figures->table_bytes, plan.geometry.bytes());
    EXPECT_EQ(figures->repetitions, 3U);
    EXPECT_GT(figures->staging_seconds, 0);
    for (const Spread& spread :
         {figures->read_gb_per_second, figures->scan_gb_per_second, figures->ratio}) {
      EXPECT_GT(spread.lowest, 0);
      EXPECT_LE(spread.lowest, spread.median);
      EXPECT_LE(spread.median, spread.highest);
    }
    EXPECT_GT(figures->expansion_share, 0);
  }
}

TEST(ScanMeasurement, RefusesWrongAnswersAndPlansThatDoNotFit) {
  ScanPlan plan;
  plan.geometry = {.rows = 128 * 10, .row_bytes = 32, .rows_per_page = 128};
  plan.backend = {.threads = 1};
  plan.repetitions = 1;
  auto backend = CpuBackend::create(plan.backend);
  ASSERT_TRUE(backend);
  const auto image = make_synthetic_image(**backend, plan.geometry, plan.seed);
  ASSERT_TRUE(image);
  EXPECT_TRUE(measure_single_query_scan(**image, plan));

  ScanPlan other_table = plan;
  other_table.seed = plan.seed + 1;
  EXPECT_EQ(code_of(measure_single_query_scan(**image, other_table)), ErrorCode::internal);
  ScanPlan never = plan;
  never.repetitions = 0;
  EXPECT_EQ(code_of(measure_single_query_scan(**image, never)), ErrorCode::bad_configuration);
  ScanPlan other_shape = plan;
  other_shape.geometry.rows = 128;
  EXPECT_EQ(code_of(measure_single_query_scan(**image, other_shape)), ErrorCode::bad_configuration);
  ReferenceBackend reference;
  const auto slow = make_synthetic_image(reference, plan.geometry, plan.seed);
  ASSERT_TRUE(slow);
  EXPECT_EQ(code_of(measure_single_query_scan(**slow, plan)), ErrorCode::bad_configuration);
}

TEST(BatchMeasurement, SaysWhatItMeasuredAndRefusesWrongAnswers) {
  const Geometry geometry{.rows = 128 * 40, .row_bytes = 32, .rows_per_page = 128};
  const auto backend = CpuBackend::create({.kernel = "portable", .threads = 2});
  ASSERT_TRUE(backend);
  const auto image = make_synthetic_image(**backend, geometry, 1);
  ASSERT_TRUE(image);
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    BatchPlan plan{.kind = kind, .queries = 11, .repetitions = 3};
    const auto figures = measure_batch(**image, plan);
    ASSERT_TRUE(figures) << figures.error().message;
    EXPECT_EQ(figures->kernel, "portable");
    EXPECT_EQ(figures->threads, 2U);
    for (const Spread& spread : {figures->read_rate, figures->pass_seconds, figures->scan_rate,
                                 figures->ratio_to_read, figures->gain, figures->gain_of_scan}) {
      EXPECT_GT(spread.lowest, 0);
      EXPECT_LE(spread.lowest, spread.median);
      EXPECT_LE(spread.median, spread.highest);
    }
    plan.seed = 2;
    EXPECT_EQ(code_of(measure_batch(**image, plan)), ErrorCode::internal);
  }
  EXPECT_EQ(code_of(measure_batch(**image, {.queries = 0})), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(measure_batch(**image, {.repetitions = 0})), ErrorCode::bad_configuration);
}

TEST(Baselines, AnswerWhatTheirBitsSelect) {
  constexpr std::size_t rows = 64;
  for (const std::size_t row_bytes : {4U, 32U, 36U, 68U}) {
    std::vector<std::uint8_t> table(rows * row_bytes);
    fill_synthetic(3, 0, std::as_writable_bytes(std::span(table)));
    std::vector<std::vector<std::uint8_t>> selections(16, std::vector<std::uint8_t>(rows / 8 + 1));
    std::vector<const std::uint8_t*> bits;
    for (std::size_t q = 0; q < selections.size(); ++q) {
      for (std::size_t i = 0; i < selections[q].size(); ++i) {
        selections[q][i] = static_cast<std::uint8_t>(37 * i + 11 * q + 5);
      }
      bits.push_back(selections[q].data());
    }
    for (const Baseline& baseline : baselines) {
      std::vector<std::uint8_t> expected(baseline.queries * row_bytes, 0x77);
      std::vector<std::uint8_t> answers = expected;
      for (std::size_t q = 0; q < baseline.queries; ++q) {
        for (std::size_t r = 0; r < rows; ++r) {
          const std::size_t bit = 8 + r;
          if (((unsigned{selections[q][bit / 8]} >> (bit % 8)) & 1U) == 0) continue;
          for (std::size_t b = 0; b < row_bytes; ++b) {
            auto& byte = expected[q * row_bytes + b];
            byte = static_cast<std::uint8_t>(byte ^ table[r * row_bytes + b]);
          }
        }
      }
      baseline.scan(table.data(), row_bytes, rows, bits.data(), 8, answers.data());
      EXPECT_EQ(answers, expected) << baseline.name << ", rows of " << row_bytes << " bytes";
    }
  }
}

}  // namespace
}  // namespace gyre::bench
