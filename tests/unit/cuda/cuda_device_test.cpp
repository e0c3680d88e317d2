// Passes, transfers and failures of the CUDA backend, on a GPU made of the host.
#include "backends/cuda/cuda_device.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "backends/device/device_backend.hpp"
#include "core/answer_from.hpp"
#include "core/dpf/expand.hpp"
#include "core/elapsed.hpp"
#include "core/fault_point.hpp"
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
      // The table, room for as much of overlays, and what copies up pass through come on top; keys
      // and nodes, and what was reserved for one query until there was room for more.
      const std::uint64_t beside = 2 * each.geometry.bytes() + (4U << 20U);
      EXPECT_LE(emulated.gpu->most_used_bytes(), (std::uint64_t{3} << 20U) + beside + 900'000);
      EXPECT_GE(emulated.gpu->most_used_bytes(), (std::uint64_t{1} << 20U) + beside);
    }
  }
}

constexpr Geometry table{.rows = 100 * 5, .row_bytes = 36, .rows_per_page = 5};

TEST(CudaDevice, GivesAllMemoryBack) {
  Emulated emulated;
  expect_same_answers(emulated, table, 5, 1);
  EXPECT_EQ(emulated.backend.device().used_bytes(), 0U);
  EXPECT_EQ(emulated.gpu->used_bytes(), 0U);
  EXPECT_GT(emulated.gpu->most_used_bytes(), table.bytes());
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
  expect_same_answers(emulated, table, 5, 1);  // passes, too
}

// What tests of updates look at: an image, and what folding an overlay into it must make of it.
struct Folded {
  Folded(Emulated& emulated, const Geometry& geometry, const std::vector<std::uint64_t>& rows)
      : random(1), before(random_bytes(random, geometry.bytes())), after(before) {
    image = make_image(emulated.backend, geometry, before, random).value();
    OverlayBatch batch{.seq = 1, .rows = rows, .differences = {}};
    batch.differences = random_bytes(random, rows.size() * geometry.row_bytes);
    for (std::size_t i = 0; i < batch.differences.size(); ++i) {
      after[rows[i / geometry.row_bytes] * geometry.row_bytes + i % geometry.row_bytes] ^=
          batch.differences[i];
    }
    overlay = Overlay{}.append(geometry, std::move(batch)).value();
  }
  static bool holds(const Image& image, const Bytes& rows) {
    Bytes there(rows.size());
    return image.read_rows(0, there).has_value() && there == rows;
  }

  SeededRandom random;
  Bytes before;
  Bytes after;
  std::shared_ptr<const Image> image;
  Overlay overlay;
};

// 25 groups of 16 KiB, four pieces each, and a page that fills none.
constexpr Geometry many_pieces{.rows = 801, .row_bytes = 512, .rows_per_page = 1};

TEST(CudaDevice, FoldingUpdatesInCopiesThePiecesThatTheyChange) {
  Emulated emulated;
  Folded folded(emulated, many_pieces, {0, 31, 320, 800});
  const auto used = [&] { return emulated.backend.device().used_bytes(); };
  const std::uint64_t base = used();
  auto updated = folded.image->with_updates(folded.overlay).value();
  // The groups of rows 0 and 320, and the piece of the last page; rows between them that travel
  // with them, up to 64 KiB, are written too.
  EXPECT_GE(used(), base + 2 * 16'384);
  EXPECT_LE(used(), base + many_pieces.bytes() / 2);
  EXPECT_TRUE(Folded::holds(*folded.image, folded.before));
  EXPECT_TRUE(Folded::holds(*updated, folded.after));

  // And again, on top; then they go in any order.
  const auto twice = updated->with_updates(folded.overlay).value();
  EXPECT_TRUE(Folded::holds(*twice, folded.before));
  updated.reset();
  EXPECT_TRUE(Folded::holds(*twice, folded.before));
  EXPECT_TRUE(Folded::holds(*folded.image, folded.before));
  folded.image.reset();
  EXPECT_TRUE(Folded::holds(*twice, folded.before));
  EXPECT_EQ(used(), base);
}

TEST(CudaDevice, AnUpdatedImageNeedsNoRoomForASecondTable) {
  Emulated emulated;
  Folded folded(emulated, many_pieces, {5});
  ASSERT_TRUE(Folded::holds(*folded.image, folded.before));  // what reading takes is there now
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes() + 2 * 16'384;
  const auto updated = folded.image->with_updates(folded.overlay);
  ASSERT_TRUE(updated);
  EXPECT_TRUE(Folded::holds(**updated, folded.after));
  EXPECT_EQ(code_of(emulated.backend.stage(many_pieces)), ErrorCode::device_out_of_memory);
}

TEST(CudaDevice, WhereNoPiecesCanBeMappedACopyIsWhole) {
  Emulated emulated;
  emulated.gpu->faults.piece_bytes = std::uint64_t{1} << 60U;
  Folded folded(emulated, many_pieces, {5});
  const std::uint64_t used = emulated.backend.device().used_bytes();
  const auto updated = folded.image->with_updates(folded.overlay).value();
  EXPECT_EQ(emulated.backend.device().used_bytes(), used + many_pieces.bytes());
  EXPECT_TRUE(Folded::holds(*folded.image, folded.before));
  EXPECT_TRUE(Folded::holds(*updated, folded.after));
}

TEST(CudaDevice, WhatAnotherImageHasIsNotWritten) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  cuda::CudaDevice device(gpu);
  const auto original = device.allocate(many_pieces).value();
  const std::vector<device::ByteRange> writable = {{.offset = 0, .bytes = 512}};
  const auto copy = device.allocate_copy(original, writable).value();
  const Bytes row(512, std::byte{1});
  EXPECT_TRUE(device.copy_up(copy, 0, row));
  EXPECT_TRUE(device.synchronize(copy));
  EXPECT_EQ(code_of(device.copy_up(copy, std::uint64_t{512} * 64, row)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.allocate_copy(copy + 1, writable)), ErrorCode::device_failed);
}

TEST(CudaDevice, UpdatesThatFindNoRoomOrNoGpuLeaveTheImageAsItWas) {
  Emulated emulated;
  Folded folded(emulated, many_pieces, {5, 700});
  ASSERT_TRUE(Folded::holds(*folded.image, folded.before));
  const std::uint64_t used = emulated.backend.device().used_bytes();
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes() + 16'384;
  EXPECT_EQ(code_of(folded.image->with_updates(folded.overlay)), ErrorCode::device_out_of_memory);
  EXPECT_EQ(emulated.backend.device().used_bytes(), used);
  EXPECT_TRUE(Folded::holds(*folded.image, folded.before));
  emulated.gpu->faults.capacity_bytes = std::uint64_t{1} << 30U;
  emulated.gpu->faults.lost = true;
  EXPECT_EQ(code_of(folded.image->with_updates(folded.overlay)), ErrorCode::device_failed);
  EXPECT_EQ(emulated.backend.device().used_bytes(), used);
}

#if defined(GYRE_FAULT_POINTS)

std::atomic<FaultPoint> armed;
std::optional<Error> fail_armed(FaultPoint point) {
  if (point != armed) return std::nullopt;
  return Error{ErrorCode::device_failed, "a fault of the test"};
}

TEST(CudaFaults, FailWithTheirErrorAndLeaveNothing) {
  Emulated emulated;
  Folded folded(emulated, many_pieces, {5, 700});
  const std::uint64_t used = emulated.backend.device().used_bytes();
  const auto key = dpf::generate(dpf::levels_for(many_pieces.rows), 1, folded.random).value()[0];
  set_fault_hook(&fail_armed);
  for (const FaultPoint point : {FaultPoint::device_alloc, FaultPoint::device_upload,
                                 FaultPoint::device_sync, FaultPoint::staging_seal}) {
    armed = point;
    EXPECT_EQ(code_of(make_image(emulated.backend, many_pieces, folded.before, folded.random)),
              ErrorCode::device_failed);
    EXPECT_EQ(emulated.backend.device().used_bytes(), used);
  }
  for (const FaultPoint point : {FaultPoint::device_alloc, FaultPoint::device_copy,
                                 FaultPoint::device_upload, FaultPoint::device_sync}) {
    armed = point;
    EXPECT_EQ(code_of(folded.image->with_updates(folded.overlay)), ErrorCode::device_failed);
    EXPECT_EQ(emulated.backend.device().used_bytes(), used);
  }
  armed = FaultPoint::query_scan;
  EXPECT_EQ(code_of(answer_of(*folded.image, QueryKind::row, key, Overlay{})),
            ErrorCode::device_failed);
  set_fault_hook(nullptr);
  EXPECT_TRUE(answer_of(*folded.image, QueryKind::row, key, Overlay{}));
  EXPECT_TRUE(Folded::holds(*folded.image, folded.before));
}

#endif

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

// A table and what asks it: many queries of both kinds, most of them pinned to an overlay.
struct Asked {
  Asked(Backend& backend, const Geometry& shape) : geometry(shape), random(3) {
    const Bytes rows = random_bytes(random, geometry.bytes());
    auto cpu = CpuBackend::create({.threads = 1}).value();
    expected_image = make_image(*cpu, geometry, rows, random).value();
    auto made = make_image(backend, geometry, rows, random);
    if (made) {
      image = std::move(*made);
    } else {
      refused = made.error().code;
    }
    overlay = random_overlay(geometry, 2, random);
    for (std::size_t i = 0; i < 40; ++i) {
      const QueryKind kind = i % 2 == 0 ? QueryKind::page : QueryKind::row;
      const std::uint64_t records = geometry.records(kind);
      keys.push_back(
          dpf::generate(dpf::levels_for(records), random.word() % records, random).value()[0]);
      queries.push_back({.kind = kind, .key = nullptr, .overlay = &none});
    }
    for (std::size_t i = 0; i < keys.size(); ++i) queries[i].key = &keys[i];
  }
  // What the image says to all queries at once, or why it says nothing.
  [[nodiscard]] std::optional<ErrorCode> ask() const {
    const Pass pass{queries};
    Bytes answers(pass.answer_bytes(geometry));
    Bytes expected(answers.size());
    EXPECT_TRUE(expected_image->answer(pass, expected));
    auto done = image->answer(pass, answers);
    if (!done) return done.error().code;
    EXPECT_TRUE(answers == expected);
    return std::nullopt;
  }

  Geometry geometry;
  SeededRandom random;
  std::shared_ptr<const Image> expected_image;
  std::shared_ptr<const Image> image;  // or
  std::optional<ErrorCode> refused;
  Overlay none;
  Overlay overlay;
  std::vector<dpf::Key> keys;
  std::vector<Query> queries;
};

constexpr std::uint64_t lane_bytes = std::uint64_t{4} << 20U;
constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

// Of GPUs of any size: whatever table finds room there can be asked, by as many as come.
TEST(CudaDevice, WhateverTableFindsRoomCanBeAsked) {
  constexpr Geometry geometry{.rows = std::uint64_t{640} * 8, .row_bytes = 128, .rows_per_page = 8};
  std::size_t refused = 0;
  std::size_t asked = 0;
  for (std::uint64_t more = 0; more < 20'000'000; more = more * 5 / 4 + 3'000) {
    Emulated emulated;
    emulated.gpu->faults.capacity_bytes = geometry.bytes() + lane_bytes + more;
    const Asked table_there(emulated.backend, geometry);
    if (table_there.image) {
      ++asked;
      EXPECT_EQ(table_there.ask(), std::nullopt) << more;
      EXPECT_GT(emulated.backend.device().used_bytes(), geometry.bytes());
    } else {
      ++refused;
      EXPECT_EQ(table_there.refused, ErrorCode::device_out_of_memory) << more;
      EXPECT_EQ(emulated.backend.device().used_bytes(), 0U);
      EXPECT_EQ(emulated.gpu->used_bytes(), 0U);
    }
  }
  EXPECT_GT(refused, 5U);
  EXPECT_GT(asked, 5U);
}

TEST(CudaDevice, ATableThatWouldFillTheGpuIsRefusedAndTheOldOneServesOn) {
  // The new one's pages are longer: its passes need more than the old one's.
  constexpr Geometry longer{
      .rows = std::uint64_t{64} * 1024, .row_bytes = 64, .rows_per_page = 1024};
  Emulated emulated;
  const Asked old(emulated.backend, table);
  ASSERT_TRUE(old.image);
  const std::uint64_t used = emulated.backend.device().used_bytes();
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes() + longer.bytes() + 100'000;
  const Asked refused(emulated.backend, longer);
  EXPECT_EQ(refused.refused, ErrorCode::device_out_of_memory);
  EXPECT_EQ(emulated.backend.device().used_bytes(), used);
  EXPECT_TRUE(emulated.backend.failures().empty());
  EXPECT_EQ(old.ask(), std::nullopt);
  EXPECT_TRUE(old.image->healthy());
  emulated.gpu->faults.capacity_bytes = gib;
  const Asked there(emulated.backend, longer);
  ASSERT_TRUE(there.image);
  EXPECT_EQ(there.ask(), std::nullopt);
  EXPECT_EQ(old.ask(), std::nullopt);
}

// Overlays are the one thing that passes need and nobody knows before.
TEST(CudaDevice, APassThatFindsNoRoomMakesItsImageUnhealthyAndSaysWhy) {
  Emulated emulated({.batch = 1, .overlay_bytes = 0});
  Asked asked(emulated.backend, table);
  ASSERT_TRUE(asked.image);
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes();
  EXPECT_EQ(asked.ask(), std::nullopt);
  EXPECT_TRUE(asked.image->healthy());
  asked.queries[7].overlay = &asked.overlay;
  EXPECT_EQ(asked.ask(), ErrorCode::device_out_of_memory);
  EXPECT_FALSE(asked.image->healthy());
  const auto failures = emulated.backend.failures();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].code, ErrorCode::device_out_of_memory);
  // What was reserved is still there: other images of this GPU go on.
  asked.queries[7].overlay = &asked.none;
  EXPECT_EQ(asked.ask(), std::nullopt);
  // The epoch's other image answers meanwhile, and rightly.
  asked.queries[7].overlay = &asked.overlay;
  const Images images = {asked.image, asked.expected_image};
  const Pass pass{asked.queries};
  Bytes answers(pass.answer_bytes(table));
  Bytes expected(answers.size());
  ASSERT_TRUE(answer_from(images, pass, answers));
  ASSERT_TRUE(asked.expected_image->answer(pass, expected));
  EXPECT_TRUE(answers == expected);
}

// The pass finds no room beside a table that is being staged, which then comes to nothing.
TEST(CudaDevice, APassThatFindsNoRoomWhileATableIsAllocatedTriesOnceMore) {
  Emulated emulated({.batch = 1, .overlay_bytes = 0});
  Asked asked(emulated.backend, table);
  ASSERT_TRUE(asked.image);
  asked.queries[7].overlay = &asked.overlay;
  auto& faults = emulated.gpu->faults;
  // For the new table, but not for an overlay beside it; what rows pass through is there already.
  faults.capacity_bytes = emulated.gpu->used_bytes() + table.bytes();
  std::optional<ErrorCode> answered = ErrorCode::internal;
  std::thread pass;
  std::uint64_t pieces = 0;
  faults.before_piece = [&]() -> Result<void> {
    if (++pieces < table.bytes() / faults.piece_bytes) return {};
    const auto others = cuda::GpuMemory::create(emulated.gpu, *emulated.gpu->free_bytes());
    pass = std::thread([&] { answered = asked.ask(); });
    const auto begun = std::chrono::steady_clock::now();
    while (emulated.gpu->refusals() == 0 && seconds_since(begun) < 10) std::this_thread::yield();
    return fail(ErrorCode::device_out_of_memory, "somebody else has the last of it");
  };
  EXPECT_EQ(code_of(emulated.backend.stage(table)), ErrorCode::device_out_of_memory);
  ASSERT_TRUE(pass.joinable());
  pass.join();
  EXPECT_GT(emulated.gpu->refusals(), 0U);
  EXPECT_EQ(answered, std::nullopt);
  EXPECT_TRUE(asked.image->healthy());
}

TEST(CudaDevice, ATableForWhichThereIsNoRoomTakesNone) {
  Emulated emulated;
  const Asked asked(emulated.backend, table);
  ASSERT_TRUE(asked.image);
  auto& faults = emulated.gpu->faults;
  faults.capacity_bytes = emulated.gpu->used_bytes() + table.bytes() - 1;
  bool began = false;
  faults.before_piece = [&]() -> Result<void> {
    began = true;
    return {};
  };
  EXPECT_EQ(code_of(emulated.backend.stage(table)), ErrorCode::device_out_of_memory);
  EXPECT_FALSE(began);
  ++faults.capacity_bytes;
  EXPECT_TRUE(emulated.backend.stage(table));
  EXPECT_TRUE(began);
}

// As an epoch's overlay does, batch by batch.
TEST(CudaDevice, ABufferThatGrowsALittleWithEveryPassIsSeldomTakenAnew) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  cuda::GpuMemory memory;
  cuda::TransferMemory transfer;
  for (std::uint64_t bytes = 1000; bytes < 100'000; bytes += 100) {
    ASSERT_TRUE(memory.reserve(gpu, bytes));
    ASSERT_TRUE(transfer.reserve(gpu, bytes));
    EXPECT_GE(memory.bytes(), bytes);
    EXPECT_GE(transfer.bytes().size(), bytes);
    EXPECT_LE(memory.bytes(), bytes * 3 / 2 + 1);
  }
  EXPECT_LE(gpu->allocations(), 13U);  // by half from 1,000 to 100,000
  // Where there is no room for more, what is needed is enough.
  gpu->faults.capacity_bytes = memory.bytes() + memory.bytes() + 1;
  EXPECT_TRUE(memory.reserve(gpu, memory.bytes() + 1));
  EXPECT_EQ(gpu->used_bytes(), memory.bytes());
  // Headroom has a bound.
  constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
  EXPECT_EQ(cuda::with_headroom(1024 * mib, 1025 * mib), 1088 * mib);
}

TEST(CudaDevice, OverlaysFindTheRoomThatWasKeptForThem) {
  Emulated emulated;
  Asked asked(emulated.backend, table);
  ASSERT_TRUE(asked.image);
  emulated.gpu->faults.capacity_bytes = emulated.gpu->used_bytes();
  asked.queries[7].overlay = &asked.overlay;
  EXPECT_EQ(asked.ask(), std::nullopt);
}

TEST(CudaDevice, NoRoomForATableSaysSo) {
  Emulated emulated;
  emulated.gpu->faults.capacity_bytes = table.bytes() - 1;
  EXPECT_EQ(code_of(emulated.backend.stage(table)), ErrorCode::device_out_of_memory);
}

}  // namespace
}  // namespace gyre
