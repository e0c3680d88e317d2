// What is the CPU backend's own: options, memory, tables larger than a chunk and a task.
#include "backends/cpu/cpu_backend.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "backends/cpu/cpu_image.hpp"
#include "backends/cpu/executor.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/storage.hpp"
#include "core/fault_point.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {
namespace {

std::unique_ptr<CpuBackend> make_backend(const CpuBackendOptions& options = {.threads = 2}) {
  return CpuBackend::create(options).value();
}

TEST(CpuBackendOptions, ChooseKernelsExecutorAndThreads) {
  const auto backend = make_backend(
      {.kernel = "portable", .expansion_kernel = "portable", .executor = "pool", .threads = 3});
  EXPECT_EQ(backend->name(), "cpu");
  EXPECT_EQ(backend->kernel(), "portable");
  EXPECT_EQ(backend->expansion_kernel(), "portable");
  EXPECT_EQ(backend->executor(), "pool");
  EXPECT_EQ(backend->threads(), 3U);
  EXPECT_EQ(make_backend({})->threads(), cpu::available_threads());
  EXPECT_EQ(make_backend({})->executor(), cpu::has_tbb_executor() ? "tbb" : "pool");
}

TEST(CpuBackendOptions, UnknownNamesAndTooManyThreadsAreRefused) {
  EXPECT_EQ(code_of(CpuBackend::create({.kernel = "sse9"})), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(CpuBackend::create({.expansion_kernel = "rot13"})),
            ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(CpuBackend::create({.executor = "threads"})), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(CpuBackend::create({.threads = 1025})), ErrorCode::bad_configuration);
  for (const unsigned parts : {0U, 1025U}) {
    EXPECT_EQ(code_of(CpuBackend::create({.parts = parts})), ErrorCode::bad_configuration);
  }
  EXPECT_EQ(code_of(CpuBackend::create({.least_part_bytes = (std::uint64_t{1} << 40U) + 1})),
            ErrorCode::bad_configuration);
}

TEST(HugeBuffer, IsZeroedAlignedAndCounted) {
  cpu::MemoryAccount account(std::uint64_t{1} << 30U);
  {
    auto small = cpu::HugeBuffer::allocate(5, account);
    auto large = cpu::HugeBuffer::allocate((std::uint64_t{5} << 20U) + 1, account);
    ASSERT_TRUE(small && large);
    EXPECT_EQ(small->size(), 5U);
    EXPECT_EQ(small->mapped_bytes(), 4096U);
    EXPECT_EQ(large->mapped_bytes(), (std::uint64_t{5} << 20U) + 4096);
    EXPECT_EQ(account.used_bytes(), small->mapped_bytes() + large->mapped_bytes());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large->data()) % (2U << 20U), 0U);
    EXPECT_EQ(large->data()[0], 0);
    large->data()[large->size() - 1] = 1;

    cpu::HugeBuffer moved = std::move(*large);
    EXPECT_EQ(moved.data()[moved.size() - 1], 1);
    moved = std::move(*small);
    EXPECT_EQ(account.used_bytes(), 4096U);
  }
  EXPECT_EQ(account.used_bytes(), 0U);
}

TEST(HugeBuffer, EndsWithAWholeHugePageWhereThatIsHardlyMore) {
  constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
  EXPECT_EQ(cpu::HugeBuffer::mapped_bytes_for(0), 0U);
  EXPECT_EQ(cpu::HugeBuffer::mapped_bytes_for(2 * mib), 2 * mib);
  EXPECT_EQ(cpu::HugeBuffer::mapped_bytes_for(4 * mib - 28'672), 4 * mib);
  EXPECT_EQ(cpu::HugeBuffer::mapped_bytes_for(4 * mib - 65'536), 4 * mib - 65'536);
  // A buffer of small tables stays small.
  EXPECT_EQ(cpu::HugeBuffer::mapped_bytes_for(mib), mib);
  cpu::MemoryAccount account(4 * mib);
  {
    const auto buffer = cpu::HugeBuffer::allocate(4 * mib - 28'672, account);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer->size(), 4 * mib - 28'672);
    EXPECT_EQ(account.used_bytes(), 4 * mib);
  }
  EXPECT_EQ(account.used_bytes(), 0U);
}

TEST(HugeBuffer, RefusesWhatTheLimitOrTheSystemCannotGive) {
  cpu::MemoryAccount small(10'000);
  EXPECT_EQ(code_of(cpu::HugeBuffer::allocate(12'288, small)), ErrorCode::out_of_memory);
  const auto held = cpu::HugeBuffer::allocate(4096, small);
  ASSERT_TRUE(held);
  EXPECT_EQ(code_of(cpu::HugeBuffer::allocate(8192, small)), ErrorCode::out_of_memory);
  EXPECT_EQ(small.used_bytes(), 4096U);

  cpu::MemoryAccount boundless(std::numeric_limits<std::uint64_t>::max());
  for (const std::uint64_t bytes : {std::numeric_limits<std::uint64_t>::max(),
                                    std::uint64_t{1} << 62U, std::uint64_t{1} << 60U}) {
    EXPECT_EQ(code_of(cpu::HugeBuffer::allocate(bytes, boundless)), ErrorCode::out_of_memory);
    EXPECT_EQ(boundless.used_bytes(), 0U);
  }
}

constexpr Geometry small_table{.rows = 8 * 113 * 3 + 113, .row_bytes = 36, .rows_per_page = 113};

TEST(HugeBuffer, WhatWasReservedIsTakenPieceByPieceAndTheRestGoesBack) {
  cpu::MemoryAccount account(20'000);
  {
    auto reservation = cpu::MemoryReservation::make(16'384, account);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(account.used_bytes(), 16'384U);
    EXPECT_EQ(code_of(cpu::HugeBuffer::allocate(4096, account)), ErrorCode::out_of_memory);
    const auto piece = cpu::HugeBuffer::allocate(5000, *reservation);
    ASSERT_TRUE(piece);
    EXPECT_EQ(account.used_bytes(), 16'384U);
    {
      const cpu::MemoryReservation rest = std::move(*reservation);
      EXPECT_EQ(account.used_bytes(), 16'384U);
    }
    EXPECT_EQ(account.used_bytes(), piece->mapped_bytes());
  }
  EXPECT_EQ(account.used_bytes(), 0U);
  EXPECT_EQ(code_of(cpu::MemoryReservation::make(20'001, account)), ErrorCode::out_of_memory);
}

TEST(CpuBackendMemory, GoesBackWhenStagingIsDroppedOrFails) {
  const auto backend = make_backend();
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  {
    auto staging = backend->stage(small_table).value();
    EXPECT_GE(backend->memory_used_bytes(), small_table.bytes());
    ASSERT_TRUE(staging->write(0, std::span(rows).first(36 * 100)));
  }
  EXPECT_EQ(backend->memory_used_bytes(), 0U);
  {
    auto staging = backend->stage(small_table).value();
    EXPECT_EQ(code_of(staging->seal()), ErrorCode::geometry_mismatch);
  }
  EXPECT_EQ(backend->memory_used_bytes(), 0U);
}

TEST(CpuBackendMemory, IsTheImagesAloneAfterSealingAndNothingAfterIt) {
  const auto backend = make_backend();
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  auto image = make_image(*backend, small_table, rows, random).value();
  EXPECT_EQ(backend->memory_used_bytes(), image->memory_bytes());
  const auto keys = dpf::generate(dpf::levels_for(small_table.rows), 5, random).value();
  ASSERT_TRUE(answer_of(*image, QueryKind::row, keys[0], Overlay{}));
  image.reset();
  EXPECT_EQ(backend->memory_used_bytes(), 0U);
}

TEST(CpuBackendMemory, LimitMakesStagingAnswersAndFoldingFailAndLosesNothing) {
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  EXPECT_EQ(code_of(make_backend({.threads = 1, .memory_limit_bytes = 50'000})->stage(small_table)),
            ErrorCode::out_of_memory);
  // No machine has the memory for the largest table.
  const Geometry largest{
      .rows = Geometry::max_table_bytes / 65536, .row_bytes = 65536, .rows_per_page = 1};
  const auto unlimited = make_backend();
  EXPECT_EQ(code_of(unlimited->stage(largest)), ErrorCode::out_of_memory);
  EXPECT_EQ(unlimited->memory_used_bytes(), 0U);

  // Room for the image and the group being staged, then for selection bits, but not for a second
  // image.
  const cpu::InterleavedLayout layout(small_table);
  const auto backend = make_backend(
      {.threads = 1, .memory_limit_bytes = small_table.bytes() + layout.group_bytes() + 3 * 4096});
  const auto image = make_image(*backend, small_table, rows, random).value();
  const auto keys = dpf::generate(dpf::levels_for(small_table.rows), 5, random).value();
  const Overlay overlay = random_overlay(small_table, 1, random);
  const std::uint64_t before = backend->memory_used_bytes();
  EXPECT_EQ(code_of(image->with_updates(overlay)), ErrorCode::out_of_memory);
  EXPECT_EQ(backend->memory_used_bytes(), before);
  const auto answer = answer_of(*image, QueryKind::row, keys[0], overlay);
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, expected_answer(small_table, updated_rows(small_table, rows, overlay),
                                     QueryKind::row, keys[0]));
}

// Large enough for several chunks, several tasks a tile and several tiles a record, with a tail.
TEST(CpuImages, OfSeveralChunksAnswerRight) {
  const std::vector<Geometry> tables = {
      {.rows = std::uint64_t{113} * 8 * 350 + 113 * 3, .row_bytes = 36, .rows_per_page = 113},
      {.rows = std::uint64_t{19} * 64, .row_bytes = 8200, .rows_per_page = 64},
  };
  for (const Geometry& geometry : tables) {
    const cpu::InterleavedLayout layout(geometry);
    ASSERT_GE(layout.chunks(), 2U);
    ASSERT_GT(layout.tail_pages(), 0U);
    const auto backend = make_backend();
    SeededRandom random(11);
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(*backend, geometry, rows, random).value();
    Bytes all(geometry.bytes());
    ASSERT_TRUE(image->read_rows(0, all));
    ASSERT_TRUE(all == rows);
    const Overlay overlay = random_overlay(geometry, 1, random);
    const Bytes updated = updated_rows(geometry, rows, overlay);
    for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
      const auto keys = dpf::generate(dpf::levels_for(geometry.records(kind)), 1, random).value();
      const auto answer = answer_of(*image, kind, keys[1], overlay);
      ASSERT_TRUE(answer);
      EXPECT_TRUE(*answer == expected_answer(geometry, updated, kind, keys[1]));
    }
  }
}

// Queries of both kinds, with keys and with bits, pinned to a short and a long overlay.
struct MixedPass {
  MixedPass(const Geometry& table, std::size_t queries_count, SeededRandom& random)
      : geometry(table) {
    overlays = {Overlay{}, random_overlay(geometry, 1, random),
                random_overlay(geometry, 3, random)};
    for (std::size_t i = 0; i < queries_count; ++i) {
      const QueryKind kind = i % 3 == 0 ? QueryKind::page : QueryKind::row;
      const std::uint64_t records = geometry.records(kind);
      keys.push_back(dpf::generate(dpf::levels_for(records) + static_cast<unsigned>(i % 2),
                                   random.word() % records, random)
                         .value()[i % 2]);
      std::vector<dpf::Block> leaves(dpf::leaves_for(records));
      dpf::expand(dpf::best_expansion_kernel(), keys.back(), 0, leaves);
      const auto bytes = std::as_bytes(std::span(leaves));
      selections.emplace_back(bytes.begin(), bytes.end());
    }
    for (std::size_t i = 0; i < queries_count; ++i) {
      Query query{.kind = i % 3 == 0 ? QueryKind::page : QueryKind::row,
                  .overlay = &overlays[i % overlays.size()]};
      if (i % 4 == 1) {
        query.selection = selections[i];
      } else {
        query.key = &keys[i];
      }
      queries.push_back(query);
    }
  }

  [[nodiscard]] Bytes expected(const Bytes& rows) const {
    std::vector<Bytes> updated;
    for (const Overlay& overlay : overlays) {
      updated.push_back(updated_rows(geometry, rows, overlay));
    }
    Bytes all;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const Bytes one =
          expected_answer(geometry, updated[i % overlays.size()], queries[i].kind, keys[i]);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  Geometry geometry;
  std::vector<Overlay> overlays;
  std::vector<dpf::Key> keys;
  std::vector<Bytes> selections;
  std::vector<Query> queries;
};

// Large enough for several chunks, tasks, blocks of selection bits and strips of a record; groups
// larger than a block; all with a tail.
TEST(CpuImages, AnswerBatchesOverSeveralBlocksRight) {
  const std::vector<Geometry> tables = {
      {.rows = std::uint64_t{113} * 8 * 180 + 113 * 3, .row_bytes = 36, .rows_per_page = 113},
      {.rows = std::uint64_t{19'001} * 9, .row_bytes = 8, .rows_per_page = 19'001},
      {.rows = std::uint64_t{19} * 16, .row_bytes = 8200, .rows_per_page = 16},
      {.rows = 4'200, .row_bytes = 512, .rows_per_page = 1},
  };
  for (const Geometry& geometry : tables) {
    const cpu::InterleavedLayout layout(geometry);
    ASSERT_GT(layout.groups(), 0U);
    const auto backend = make_backend(
        {.threads = 2, .parts = 5, .least_part_bytes = 1, .memory_limit_bytes = 100U << 20U});
    SeededRandom random(12);
    const Bytes rows = random_bytes(random, geometry.bytes());
    auto image = make_image(*backend, geometry, rows, random).value();
    const MixedPass mixed(geometry, 31, random);
    const Pass pass{mixed.queries};
    Bytes answers(pass.answer_bytes(geometry));
    ASSERT_TRUE(image->answer(pass, answers));
    EXPECT_TRUE(answers == mixed.expected(rows));
    // The next pass works in the memory of this one, which the image gives back in the end.
    const std::uint64_t kept = backend->memory_used_bytes();
    answers.assign(answers.size(), std::byte{0xee});
    ASSERT_TRUE(image->answer(pass, answers));
    EXPECT_TRUE(answers == mixed.expected(rows));
    EXPECT_EQ(backend->memory_used_bytes(), kept);
    EXPECT_EQ(image->parts(), std::min<std::uint64_t>(5, layout.groups()));
    EXPECT_TRUE(answer_by_parts(*image, pass, random).value() == mixed.expected(rows));
    image.reset();
    EXPECT_EQ(backend->memory_used_bytes(), 0U);
  }
}

TEST(CpuImages, AnswerAThousandQueriesOfAPass) {
  const Geometry geometry{.rows = 9 * 30, .row_bytes = 12, .rows_per_page = 30};
  const auto backend = make_backend();
  SeededRandom random(13);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(*backend, geometry, rows, random).value();
  const MixedPass mixed(geometry, 1024, random);
  const Pass pass{mixed.queries};
  Bytes answers(pass.answer_bytes(geometry));
  ASSERT_TRUE(image->answer(pass, answers));
  EXPECT_TRUE(answers == mixed.expected(rows));
}

TEST(CpuBackendMemory, LimitRefusesALargeBatchAndLosesNothing) {
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  const auto backend = make_backend({.threads = 1, .memory_limit_bytes = 400'000});
  const auto image = make_image(*backend, small_table, rows, random).value();
  const std::uint64_t before = backend->memory_used_bytes();
  const MixedPass large(small_table, 200, random);
  const Pass pass{large.queries};
  Bytes answers(pass.answer_bytes(small_table));
  EXPECT_EQ(code_of(image->answer(pass, answers)), ErrorCode::out_of_memory);
  EXPECT_EQ(backend->memory_used_bytes(), before);
  const MixedPass small(small_table, 8, random);
  const Pass small_pass{small.queries};
  answers.resize(small_pass.answer_bytes(small_table));
  EXPECT_TRUE(image->answer(small_pass, answers));
  EXPECT_TRUE(answers == small.expected(rows));
}

// Every row of the table changes again and again: what is kept of each takes more than the table.
TEST(CpuBackendMemory, LimitRefusesAPassOverTooManyUpdatesAndLosesNothing) {
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  const auto backend = make_backend({.threads = 1, .memory_limit_bytes = 1'000'000});
  const auto image = make_image(*backend, small_table, rows, random).value();
  const MixedPass mixed(small_table, 12, random);
  std::vector<std::uint64_t> all_rows(small_table.rows);
  std::iota(all_rows.begin(), all_rows.end(), 0);
  Overlay overlay;
  for (std::uint64_t seq = 1; seq <= 20; ++seq) {
    overlay = overlay
                  .append(small_table, {.seq = seq,
                                        .rows = all_rows,
                                        .differences = random_bytes(random, small_table.bytes())})
                  .value();
  }
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    const std::uint64_t before = backend->memory_used_bytes();
    std::vector<Query> queries;
    for (const Query& query : mixed.queries) {
      if (query.kind == kind) queries.push_back(query);
    }
    Bytes answers(queries.size() * small_table.answer_bytes(kind));
    std::vector<Query> on_long_overlay = queries;
    on_long_overlay.back().overlay = &overlay;
    EXPECT_EQ(code_of(image->answer({on_long_overlay}, answers)), ErrorCode::out_of_memory);
    // What the pass before left behind may have given way.
    EXPECT_LE(backend->memory_used_bytes(), before);
    EXPECT_TRUE(image->answer({queries}, answers));
  }
}

// Several tasks for what is on top, rows of several strips.
TEST(CpuImages, AddOverlaysLargerThanTheirTable) {
  const std::vector<Geometry> tables = {
      {.rows = std::uint64_t{113} * 19, .row_bytes = 36, .rows_per_page = 113},
      {.rows = 3 * 19, .row_bytes = 8200, .rows_per_page = 3},
  };
  for (const Geometry& geometry : tables) {
    const auto backend = make_backend({.threads = 3, .parts = 2, .least_part_bytes = 1});
    SeededRandom random(14);
    const Bytes rows = random_bytes(random, geometry.bytes());
    auto image = make_image(*backend, geometry, rows, random).value();
    MixedPass mixed(geometry, 50, random);
    std::vector<std::uint64_t> all_rows(geometry.rows);
    std::iota(all_rows.begin(), all_rows.end(), 0);
    for (std::uint64_t seq = 10; seq < 20; ++seq) {
      mixed.overlays[1] =
          mixed.overlays[1]
              .append(geometry, {.seq = seq,
                                 .rows = all_rows,
                                 .differences = random_bytes(random, geometry.bytes())})
              .value();
    }
    const Pass pass{mixed.queries};
    const Bytes expected = mixed.expected(rows);
    Bytes answers(pass.answer_bytes(geometry));
    ASSERT_TRUE(image->answer(pass, answers));
    EXPECT_TRUE(answers == expected);
    const std::uint64_t kept = backend->memory_used_bytes();
    answers.assign(answers.size(), std::byte{0xee});
    ASSERT_TRUE(image->answer(pass, answers));
    EXPECT_TRUE(answers == expected);
    EXPECT_EQ(backend->memory_used_bytes(), kept);
    EXPECT_TRUE(answer_by_parts(*image, pass, random).value() == expected);
    image.reset();
    EXPECT_EQ(backend->memory_used_bytes(), 0U);
  }
}

TEST(CpuBackendMemory, WhatPassesLeaveBehindGivesWayToTheNextImage) {
  const Geometry table{.rows = std::uint64_t{113} * 8 * 40, .row_bytes = 36, .rows_per_page = 113};
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, table.bytes());
  // Room for two images and the group being staged.
  const cpu::InterleavedLayout layout(table);
  const auto backend =
      make_backend({.threads = 1,
                    .memory_limit_bytes = 2 * cpu::Storage::bytes_for(layout) +
                                          cpu::HugeBuffer::mapped_bytes_for(layout.group_bytes())});
  const auto image = make_image(*backend, table, rows, random).value();
  const MixedPass mixed(table, 4, random);
  const Pass pass{mixed.queries};
  Bytes answers(pass.answer_bytes(table));
  ASSERT_TRUE(image->answer(pass, answers));
  ASSERT_GT(backend->memory_used_bytes(), image->memory_bytes());
  const auto next = make_image(*backend, table, rows, random);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(backend->memory_used_bytes(), image->memory_bytes() + (*next)->memory_bytes());
}

TEST(CpuImages, FoldingCopiesOnlyTheChunksItChanges) {
  const Geometry geometry{
      .rows = std::uint64_t{128} * 8 * 300, .row_bytes = 32, .rows_per_page = 128};
  const cpu::InterleavedLayout layout(geometry);
  ASSERT_EQ(layout.chunks(), 3U);
  const auto backend = make_backend();
  SeededRandom random(2);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(*backend, geometry, rows, random).value();
  const std::uint64_t before = backend->memory_used_bytes();
  const auto overlay =
      Overlay{}
          .append(geometry, {.seq = 1, .rows = {3}, .differences = random_bytes(random, 32)})
          .value();
  const auto folded = image->with_updates(overlay).value();
  EXPECT_EQ(backend->memory_used_bytes() - before, layout.chunk_bytes(0));
  Bytes all(geometry.bytes());
  ASSERT_TRUE(folded->read_rows(0, all));
  EXPECT_TRUE(all == updated_rows(geometry, rows, overlay));
}

#if defined(GYRE_FAULT_POINTS)

FaultPoint armed;
std::optional<Error> fail_armed(FaultPoint point) {
  if (point != armed) return std::nullopt;
  return Error{ErrorCode::out_of_memory, "a fault of the test"};
}

TEST(CpuBackendFaults, FailWithTheirErrorAndLeaveNothing) {
  const auto backend = make_backend();
  SeededRandom random(1);
  const Bytes rows = random_bytes(random, small_table.bytes());
  const auto image = make_image(*backend, small_table, rows, random).value();
  const std::uint64_t before = backend->memory_used_bytes();
  const auto keys = dpf::generate(dpf::levels_for(small_table.rows), 5, random).value();

  set_fault_hook(&fail_armed);
  armed = FaultPoint::host_alloc;
  EXPECT_EQ(code_of(backend->stage(small_table)), ErrorCode::out_of_memory);
  EXPECT_EQ(code_of(image->with_updates(Overlay{})), ErrorCode::out_of_memory);
  armed = FaultPoint::staging_seal;
  EXPECT_EQ(code_of(make_image(*backend, small_table, rows, random)), ErrorCode::out_of_memory);
  armed = FaultPoint::query_scan;
  EXPECT_EQ(code_of(answer_of(*image, QueryKind::row, keys[0], Overlay{})),
            ErrorCode::out_of_memory);
  set_fault_hook(nullptr);

  EXPECT_EQ(backend->memory_used_bytes(), before);
  EXPECT_TRUE(answer_of(*image, QueryKind::row, keys[0], Overlay{}));
}

#endif

}  // namespace
}  // namespace gyre
