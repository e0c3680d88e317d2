// Passes, transfers and failures of the CUDA backend, on a GPU made of the host.
#include "backends/cuda/cuda_device.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "backends/device/device_backend.hpp"
#include "core/dpf/expand.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/emulated_gpu.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {
namespace {

// Both expand the whole range and its pieces alike.
TEST(ExpandStep, MakesTheLeavesThatTheHostMakes) {
  EXPECT_TRUE(rc::check([] {
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const std::uint64_t leaves = 129 + random.word() % (random.word() % 8 == 0 ? 20'000 : 2'000);
    const unsigned levels =
        dpf::levels_for(leaves * 128) + static_cast<unsigned>(random.word() % 5);
    const auto keys = dpf::generate(levels, random.word() % (leaves * 128), random);
    RC_ASSERT(keys.has_value());
    std::vector<cuda::TreeCorrections> corrections;
    std::vector<dpf::Block> tops;
    for (const dpf::Key& key : *keys) {
      const cuda::TreeTop top = cuda::top_of_tree(key, leaves);
      corrections.push_back(top.corrections);
      tops.insert(tops.end(), top.nodes.begin(), top.nodes.end());
    }
    // As far down as nodes of height 7 on the way, all of them.
    unsigned height = cuda::tiers_for(leaves) * cuda::levels_per_tier;
    const auto expand = [&](std::uint64_t first, std::uint64_t last) {
      std::vector<dpf::Block> out(2 * (last - first + 1));
      const cuda::ExpandStep step{.keys = corrections.data(),
                                  .queries = 2,
                                  .height = height,
                                  .ancestors = tops.data(),
                                  .ancestors_stride = tops.size() / 2,
                                  .out = out.data(),
                                  .out_stride = last - first + 1,
                                  .first = first,
                                  .last = last};
      for (std::uint64_t block = 0; block < step.blocks(); ++block) {
        cuda::HostCrew crew(step.shared_bytes());
        step.run_block(block, crew);
      }
      return out;
    };
    while (height > cuda::levels_per_tier) {
      height -= cuda::levels_per_tier;
      tops = expand(0, cuda::nodes_at(height, leaves) - 1);
    }
    height = 0;
    const std::uint64_t first = random.word() % leaves;
    const std::uint64_t last = first + random.word() % (leaves - first);
    const auto some = expand(first, last);
    for (std::size_t party = 0; party < 2; ++party) {
      std::vector<dpf::Block> expected(last - first + 1);
      dpf::expand(*dpf::expansion_kernels().back(), (*keys)[party], first, expected);
      const auto begin = some.begin() + static_cast<std::ptrdiff_t>(party * expected.size());
      RC_ASSERT(std::equal(expected.begin(), expected.end(), begin));
    }
  }));
}

struct Emulated {
  explicit Emulated(const cuda::PassLimits& limits = {})
      : gpu(std::make_shared<EmulatedGpu>()),
        backend(std::make_shared<cuda::CudaDevice>(gpu, limits)) {}

  const std::shared_ptr<EmulatedGpu> gpu;
  DeviceBackend backend;
};

// Tables of many groups, and as many queries as there are sets of, against the CPU backend.
void expect_same_answers(Emulated& emulated, const Geometry& geometry, std::size_t count,
                         std::uint64_t seed) {
  SeededRandom random(seed);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(emulated.backend, geometry, rows, random);
  auto cpu = CpuBackend::create({.threads = 1});
  ASSERT_TRUE(cpu && image);
  const auto expected_image = make_image(**cpu, geometry, rows, random);
  ASSERT_TRUE(expected_image);
  const std::vector<Overlay> overlays = {Overlay{}, random_overlay(geometry, 3, random),
                                         random_overlay(geometry, 1, random)};
  std::vector<dpf::Key> keys;
  std::vector<Query> queries;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const QueryKind kind = random.word() % 3 == 0 ? QueryKind::row : QueryKind::page;
    const std::uint64_t records = geometry.records(kind);
    const auto surplus = static_cast<unsigned>(random.word() % 3);
    auto pair = dpf::generate(dpf::levels_for(records) + surplus, random.word() % records, random);
    ASSERT_TRUE(pair);
    keys.push_back(std::move((*pair)[random.word() % 2]));
    queries.push_back({.kind = kind, .key = &keys.back(), .overlay = &overlays[i % 3]});
  }
  const Pass pass{queries};
  Bytes answers(pass.answer_bytes(geometry));
  Bytes expected(answers.size());
  const auto done = (*image)->answer(pass, answers);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE((*expected_image)->answer(pass, expected));
  EXPECT_TRUE(answers == expected);
}

struct Case {
  Geometry geometry;
  std::size_t queries;
};
const std::vector<Case> large_cases = {
    // Two tiers of expansion of rows, one of pages; groups and pages left over.
    {{.rows = std::uint64_t{20'011} * 128, .row_bytes = 4, .rows_per_page = 128}, 3},
    {{.rows = std::uint64_t{1'003} * 113, .row_bytes = 36, .rows_per_page = 113}, 12},
    {{.rows = std::uint64_t{1'100} * 8, .row_bytes = 32, .rows_per_page = 8}, 70},
    {{.rows = 17'000, .row_bytes = 64, .rows_per_page = 1}, 40},
    {{.rows = std::uint64_t{300} * 3, .row_bytes = 1000, .rows_per_page = 3}, 200},
};

TEST(CudaDevice, AnswersLargePassesLikeTheCpu) {
  for (const cuda::ScanRoute route : cuda::scan_routes) {
    for (std::size_t i = 0; i < large_cases.size(); ++i) {
      SCOPED_TRACE(i);
      Emulated whole({.route = route});
      expect_same_answers(whole, large_cases[i].geometry, large_cases[i].queries, i);
      Emulated in_pieces(
          {.selection_bytes = 20'000, .batch = 100, .chunk_tiers = 1, .route = route});
      expect_same_answers(in_pieces, large_cases[i].geometry, large_cases[i].queries, 100 + i);
    }
  }
}

// Pages of a MiB and more have accumulators of 32 MiB, and sets of queries are filled up; here all
// of that is small.
TEST(CudaDevice, PassesKeepToTheirMemory) {
  const std::vector<Case> cases = {
      {{.rows = 300, .row_bytes = 4096, .rows_per_page = 1}, 60},
      {{.rows = std::uint64_t{300} * 64, .row_bytes = 64, .rows_per_page = 64}, 60},
  };
  for (const cuda::ScanRoute route : cuda::scan_routes) {
    for (const Case& each : cases) {
      Emulated emulated(
          {.selection_bytes = 16'384, .scratch_bytes = std::uint64_t{3} << 20U, .route = route});
      expect_same_answers(emulated, each.geometry, each.queries, 7);
      // The table is gone. Keys and nodes come on top, and what copies up pass through.
      EXPECT_LE(emulated.gpu->used_bytes(), (std::uint64_t{3} << 20U) + (4U << 20U) + 600'000);
      EXPECT_GE(emulated.gpu->used_bytes(), (std::uint64_t{1} << 20U) + (4U << 20U));
    }
  }
}

constexpr Geometry table{.rows = 100 * 5, .row_bytes = 36, .rows_per_page = 5};

TEST(CudaDevice, GivesAllMemoryBack) {
  Emulated emulated;
  expect_same_answers(emulated, table, 5, 1);
  EXPECT_EQ(emulated.backend.device().used_bytes(), 0U);
  EXPECT_GT(emulated.gpu->used_bytes(), 0U);  // what passes work with stays for the next one
}

TEST(CudaDevice, WithoutPinnedMemoryItUsesOrdinaryMemory) {
  Emulated emulated;
  emulated.gpu->faults.no_pinned_memory = true;
  auto staging = emulated.backend.stage(table);
  ASSERT_TRUE(staging);
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, table.bytes());
  ASSERT_TRUE((*staging)->write(0, rows));
  auto image = (*staging)->seal();
  ASSERT_TRUE(image);
  Bytes there(rows.size());
  ASSERT_TRUE((*image)->read_rows(0, there));
  EXPECT_TRUE(there == rows);
}

// What answer_from, /health and the promoter go by (tests/unit/server): the code, and that the
// image says so.
TEST(CudaDevice, ALostGpuFailsThePassAndTheImageIsNotHealthyAnyMore) {
  Emulated emulated;
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, table.bytes());
  const auto image = make_image(emulated.backend, table, rows, random);
  ASSERT_TRUE(image);
  const auto key = dpf::generate(dpf::levels_for(table.rows), 1, random).value()[0];
  ASSERT_TRUE(answer_of(**image, QueryKind::row, key, Overlay{}));
  EXPECT_TRUE((*image)->healthy());
  emulated.gpu->faults.lost = true;
  EXPECT_EQ(code_of(answer_of(**image, QueryKind::row, key, Overlay{})), ErrorCode::device_failed);
  EXPECT_FALSE((*image)->healthy());
  EXPECT_EQ(code_of(emulated.backend.stage(table)), ErrorCode::device_failed);
}

TEST(CudaDevice, AnUploadThatFailsIsOneAndGivesTheMemoryBack) {
  Emulated emulated;
  auto staging = emulated.backend.stage(table);
  ASSERT_TRUE(staging);
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, table.bytes());
  ASSERT_TRUE((*staging)->write(0, rows));
  emulated.gpu->faults.lost = true;
  EXPECT_EQ(code_of((*staging)->seal()), ErrorCode::device_upload_failed);
  EXPECT_EQ(emulated.backend.device().used_bytes(), 0U);
}

TEST(CudaDevice, NoRoomForAPassIsNoFailureOfTheImage) {
  Emulated emulated;
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, table.bytes());
  const auto image = make_image(emulated.backend, table, rows, random);
  ASSERT_TRUE(image);
  const auto key = dpf::generate(dpf::levels_for(table.rows), 1, random).value()[0];
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes();
  EXPECT_EQ(code_of(answer_of(**image, QueryKind::row, key, Overlay{})),
            ErrorCode::device_out_of_memory);
  EXPECT_TRUE((*image)->healthy());
  emulated.gpu->faults.capacity_bytes = std::uint64_t{1} << 30U;
  EXPECT_TRUE(answer_of(**image, QueryKind::row, key, Overlay{}));
}

TEST(CudaDevice, NoRoomForATableSaysSo) {
  Emulated emulated;
  emulated.gpu->faults.capacity_bytes = table.bytes() - 1;
  EXPECT_EQ(code_of(emulated.backend.stage(table)), ErrorCode::device_out_of_memory);
}

}  // namespace
}  // namespace gyre
