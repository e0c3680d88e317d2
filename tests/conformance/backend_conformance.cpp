#include "tests/conformance/backend_conformance.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {
namespace {

std::array<dpf::Key, 2> keys_for(const Geometry& geometry, QueryKind kind, std::uint64_t record,
                                 unsigned surplus_levels, SeededRandom& random) {
  auto keys =
      dpf::generate(dpf::levels_for(geometry.records(kind)) + surplus_levels, record, random);
  RC_ASSERT(keys.has_value());
  return std::move(*keys);
}

QueryKind any_kind(SeededRandom& random) {
  return random.word() % 2 == 0 ? QueryKind::row : QueryKind::page;
}

TEST_P(BackendConformance, AnswersOfMixedPassesEqualTheOracle) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());
    RC_ASSERT((*image)->geometry() == geometry);

    // Fewer on larger tables: the oracle looks at every byte for every query.
    const std::size_t count =
        1 + random.word() % (geometry.bytes() <= 64U << 10U && random.word() % 2 == 0 ? 60 : 4);
    std::vector<dpf::Key> keys;
    std::vector<Overlay> overlays;
    std::vector<Query> queries(count);
    for (Query& query : queries) {
      query.kind = any_kind(random);
      const std::uint64_t record = random.word() % geometry.records(query.kind);
      const auto surplus = static_cast<unsigned>(random.word() % 4);
      keys.push_back(keys_for(geometry, query.kind, record, surplus, random)[random.word() % 2]);
      overlays.push_back(random_overlay(geometry, random.word() % 4, random));
    }
    Bytes expected;
    for (std::size_t i = 0; i < count; ++i) {
      queries[i].key = &keys[i];
      queries[i].overlay = &overlays[i];
      const Bytes one = expected_answer(geometry, updated_rows(geometry, rows, overlays[i]),
                                        queries[i].kind, keys[i]);
      expected.insert(expected.end(), one.begin(), one.end());
    }

    const Pass pass{queries};
    RC_ASSERT(pass.answer_bytes(geometry) == expected.size());
    Bytes answers = random_bytes(random, expected.size());
    RC_ASSERT((*image)->answer(pass, answers).has_value());
    RC_ASSERT(answers == expected);
    RC_ASSERT(answer_by_parts(**image, pass, random).value() == expected);
  }));
}

// A pass of many queries of one kind. They share a few keys and overlays in any order, so that the
// oracle has less to do; each lies in a place of its own all the same.
class FullPass {
 public:
  // Each query on one of the overlays.
  FullPass(const Geometry& geometry, QueryKind kind, std::size_t count, const Bytes& rows,
           std::vector<Overlay> overlays, SeededRandom& random)
      : overlays_(std::move(overlays)) {
    const std::size_t different = std::min<std::size_t>(count, 24);
    std::vector<Bytes> updated;
    for (const Overlay& overlay : overlays_) {
      updated.push_back(updated_rows(geometry, rows, overlay));
    }
    keys_.reserve(different);
    std::vector<Bytes> answers;
    for (std::size_t i = 0; i < different; ++i) {
      const std::uint64_t record = random.word() % geometry.records(kind);
      const auto surplus = static_cast<unsigned>(random.word() % 4);
      keys_.push_back(keys_for(geometry, kind, record, surplus, random)[random.word() % 2]);
      answers.push_back(expected_answer(geometry, updated[i % overlays_.size()], kind, keys_[i]));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t one = random.word() % different;
      queries_.push_back(
          {.kind = kind, .key = &keys_[one], .overlay = &overlays_[one % overlays_.size()]});
      expected_.insert(expected_.end(), answers[one].begin(), answers[one].end());
    }
  }
  // Overlays that have nothing in common.
  FullPass(const Geometry& geometry, QueryKind kind, std::size_t count, const Bytes& rows,
           SeededRandom& random)
      : FullPass(geometry, kind, count, rows, different_overlays(geometry, random), random) {}

  [[nodiscard]] bool is_answered_right_by(const Image& image, SeededRandom& random) const {
    Bytes answers = random_bytes(random, expected_.size());
    return image.answer({queries_}, answers).has_value() && answers == expected_ &&
           answer_by_parts(image, {queries_}, random).value() == expected_;
  }

 private:
  static std::vector<Overlay> different_overlays(const Geometry& geometry, SeededRandom& random) {
    std::vector<Overlay> overlays;
    for (std::size_t i = 0; i < 24; ++i) {
      overlays.push_back(random_overlay(geometry, random.word() % 3, random));
    }
    return overlays;
  }

  std::vector<dpf::Key> keys_;
  std::vector<Overlay> overlays_;
  std::vector<Query> queries_;
  Bytes expected_;
};

TEST_P(BackendConformance, AnswersOfManyQueriesOfOneKindEqualTheOracle) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_small_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());
    const auto count = *anywhere_in<std::size_t>(41, 301);
    const FullPass pass(geometry, any_kind(random), count, rows, random);
    RC_ASSERT(pass.is_answered_right_by(**image, random));
  }));
}

TEST_P(BackendConformance, AnswersOfTheLargestPassEqualTheOracle) {
  constexpr std::size_t most_queries = 1024;
  // Two groups and three pages more.
  const Geometry geometry{.rows = 19 * 13, .row_bytes = 36, .rows_per_page = 13};
  SeededRandom random(8);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(backend(), geometry, rows, random);
  ASSERT_TRUE(image) << image.error().message;
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    const FullPass pass(geometry, kind, most_queries, rows, random);
    EXPECT_TRUE(pass.is_answered_right_by(**image, random));
  }
}

// The overlays of a server to which batches come one after another, the empty one first, and what
// is left of the last one when the first batches have been folded in. The batches: one row, rows
// everywhere, one row of every page, a whole page, every row, and rows here and there again.
std::vector<Overlay> growing_overlays(const Geometry& geometry, SeededRandom& random) {
  const std::uint64_t in_page = random.word() % geometry.rows_per_page;
  const std::uint64_t page = random.word() % geometry.pages();
  const std::uint64_t one_row = random.word() % geometry.rows;
  const std::array<std::function<bool(std::uint64_t)>, 6> changes = {
      [&](std::uint64_t row) { return row == one_row; },
      [&](std::uint64_t row) { return row + 1 == geometry.rows || random.word() % 5 == 0; },
      [&](std::uint64_t row) { return row % geometry.rows_per_page == in_page; },
      [&](std::uint64_t row) { return row / geometry.rows_per_page == page; },
      [](std::uint64_t) { return true; },
      [&](std::uint64_t row) { return row == 0 || random.word() % 40 == 0; },
  };
  std::vector<Overlay> overlays(1);
  for (const auto& change : changes) {
    OverlayBatch batch;
    batch.seq = overlays.size();
    for (std::uint64_t row = 0; row < geometry.rows; ++row) {
      if (change(row)) batch.rows.push_back(row);
    }
    batch.differences = random_bytes(random, batch.rows.size() * geometry.row_bytes);
    auto longer = overlays.back().append(geometry, std::move(batch));
    RC_ASSERT(longer.has_value());
    overlays.push_back(std::move(*longer));
  }
  auto rest = overlays.back().after(overlays[2]);
  RC_ASSERT(rest.has_value());
  overlays.push_back(std::move(*rest));
  return overlays;
}

TEST_P(BackendConformance, QueriesOnOverlaysThatShareBatchesEachSeeTheirOwn) {
  const std::vector<Geometry> tables = {
      {.rows = 113 * 19, .row_bytes = 36, .rows_per_page = 113},
      {.rows = 8 * 16, .row_bytes = 32, .rows_per_page = 8},
      {.rows = 5 * 40, .row_bytes = 4, .rows_per_page = 40},  // no group
      {.rows = 21, .row_bytes = 8200, .rows_per_page = 1},
  };
  SeededRandom random(9);
  for (const Geometry& geometry : tables) {
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    ASSERT_TRUE(image) << image.error().message;
    const std::vector<Overlay> overlays = growing_overlays(geometry, random);
    for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
      for (const std::size_t count : {1U, 7U, 8U, 9U, 128U, 300U}) {
        const FullPass pass(geometry, kind, count, rows, overlays, random);
        EXPECT_TRUE(pass.is_answered_right_by(**image, random)) << count << " queries";
      }
    }
  }
}

// Pages of many rows of which few change: hardly two at the same place of their pages.
TEST_P(BackendConformance, RowsThatChangeAloneAtTheirPlaceOfAPageAreAdded) {
  const Geometry geometry{.rows = 11 * 700, .row_bytes = 8, .rows_per_page = 700};
  SeededRandom random(10);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(backend(), geometry, rows, random);
  ASSERT_TRUE(image) << image.error().message;
  const std::vector<Overlay> overlays = {random_overlay(geometry, 4, random),
                                         random_overlay(geometry, 1, random)};
  const FullPass pass(geometry, QueryKind::page, 20, rows, overlays, random);
  EXPECT_TRUE(pass.is_answered_right_by(**image, random));
}

// Overlay and all; half of the queries of a pass still come with keys.
TEST_P(BackendConformance, SelectionBitsAreAnsweredLikeTheKeyTheyAreOf) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());
    const Overlay overlay = random_overlay(geometry, random.word() % 3, random);
    const Bytes updated = updated_rows(geometry, rows, overlay);
    const QueryKind kind = any_kind(random);
    const std::uint64_t records = geometry.records(kind);
    const auto keys = keys_for(geometry, kind, random.word() % records, 0, random);
    Bytes bits = random_bytes(random, selection_bytes(records));  // past the last record too
    std::vector<dpf::Block> leaves(dpf::leaves_for(records));
    std::memcpy(leaves.data(), bits.data(), bits.size());

    const std::array<Query, 2> queries = {
        Query{.kind = kind, .overlay = &overlay, .selection = bits},
        Query{.kind = kind, .key = keys.data(), .overlay = &overlay}};
    Bytes expected = expected_answer(geometry, updated, kind, std::span(std::as_const(leaves)));
    const Bytes of_key = expected_answer(geometry, updated, kind, keys[0]);
    expected.insert(expected.end(), of_key.begin(), of_key.end());
    Bytes answers = random_bytes(random, expected.size());
    RC_ASSERT((*image)->answer({queries}, answers).has_value());
    RC_ASSERT(answers == expected);
    RC_ASSERT(answer_by_parts(**image, {queries}, random).value() == expected);
    // One alone goes another way.
    const Pass alone{std::span(queries).first(1)};
    expected.resize(geometry.answer_bytes(kind));
    RC_ASSERT(answer_by_parts(**image, alone, random).value() == expected);
  }));
}

TEST_P(BackendConformance, BothPartiesAnswersCombineToTheRecordWithItsUpdates) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());
    const Overlay overlay = random_overlay(geometry, 2, random);
    const Bytes updated = updated_rows(geometry, rows, overlay);
    const QueryKind kind = any_kind(random);
    const std::uint64_t records = geometry.records(kind);
    const std::uint64_t bytes = geometry.answer_bytes(kind);
    for (const std::uint64_t record : {std::uint64_t{0}, random.word() % records, records - 1}) {
      const auto keys = keys_for(geometry, kind, record, 0, random);
      auto first = answer_of(**image, kind, keys[0], overlay);
      auto second = answer_of(**image, kind, keys[1], overlay);
      RC_ASSERT(first.has_value() && second.has_value());
      for (std::size_t b = 0; b < bytes; ++b) (*first)[b] ^= (*second)[b];
      const auto begin = updated.begin() + static_cast<std::ptrdiff_t>(record * bytes);
      RC_ASSERT(std::equal(first->begin(), first->end(), begin));
    }
  }));
}

TEST_P(BackendConformance, RowsReadBackAsTheyWereWritten) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());

    Bytes all(geometry.bytes());
    RC_ASSERT((*image)->read_rows(0, all).has_value());
    RC_ASSERT(all == rows);
    const std::uint64_t first = random.word() % geometry.rows;
    const std::uint64_t count = 1 + random.word() % (geometry.rows - first);
    Bytes some(count * geometry.row_bytes);
    RC_ASSERT((*image)->read_rows(first, some).has_value());
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(first * geometry.row_bytes);
    RC_ASSERT(std::equal(some.begin(), some.end(), begin));
  }));
}

TEST_P(BackendConformance, FoldingAnOverlayInEqualsAnsweringWithIt) {
  EXPECT_TRUE(rc::check([&] {
    const Geometry geometry = *any_geometry();
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    RC_ASSERT(image.has_value());
    const Overlay overlay = random_overlay(geometry, random.word() % 4, random);
    const auto folded = (*image)->with_updates(overlay);
    RC_ASSERT(folded.has_value());
    RC_ASSERT((*folded)->geometry() == geometry);

    const QueryKind kind = any_kind(random);
    const auto keys = keys_for(geometry, kind, random.word() % geometry.records(kind), 0, random);
    const auto on_top = answer_of(**image, kind, keys[0], overlay);
    const auto inside = answer_of(**folded, kind, keys[0], Overlay{});
    RC_ASSERT(on_top.has_value() && inside.has_value());
    RC_ASSERT(*on_top == *inside);

    Bytes all(geometry.bytes());
    RC_ASSERT((*folded)->read_rows(0, all).has_value());
    RC_ASSERT(all == updated_rows(geometry, rows, overlay));
    RC_ASSERT((*image)->read_rows(0, all).has_value());
    RC_ASSERT(all == rows);  // the image it was made from stays as it was
  }));
}

TEST_P(BackendConformance, AnImageIsNotMuchLargerThanItsRows) {
  const std::vector<Geometry> few_large_pages = {
      {.rows = 3, .row_bytes = 65536, .rows_per_page = 1},
      {.rows = 3 * 128, .row_bytes = 512, .rows_per_page = 128},
      {.rows = 9, .row_bytes = 65536, .rows_per_page = 1},
      {.rows = 1, .row_bytes = 4, .rows_per_page = 1},
      {.rows = 113 * 40, .row_bytes = 36, .rows_per_page = 113},
  };
  SeededRandom random(7);
  for (const Geometry& geometry : few_large_pages) {
    const Bytes rows = random_bytes(random, geometry.bytes());
    const auto image = make_image(backend(), geometry, rows, random);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_GE((*image)->memory_bytes(), geometry.bytes());
    EXPECT_LE((*image)->memory_bytes(), geometry.bytes() + GetParam().memory_slack_bytes);
  }
}

TEST_P(BackendConformance, AnswersToManyThreadsAtOnceAreTheSame) {
  const Geometry geometry{.rows = 113 * 43, .row_bytes = 36, .rows_per_page = 113};
  SeededRandom random(3);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(backend(), geometry, rows, random);
  ASSERT_TRUE(image) << image.error().message;

  constexpr std::size_t threads = 4;
  constexpr int repetitions = 5;
  struct Work {
    QueryKind kind;
    dpf::Key key;
    Overlay overlay;
    Bytes expected;
    int right = 0;
  };
  std::vector<Work> work;
  for (std::size_t t = 0; t < threads; ++t) {
    const QueryKind kind = t % 2 == 0 ? QueryKind::row : QueryKind::page;
    dpf::Key key = keys_for(geometry, kind, t, 0, random)[t % 2];
    Overlay overlay = random_overlay(geometry, t, random);
    Bytes expected = expected_answer(geometry, updated_rows(geometry, rows, overlay), kind, key);
    work.push_back({kind, std::move(key), std::move(overlay), std::move(expected)});
  }
  std::vector<std::thread> running;
  for (Work& one : work) {
    running.emplace_back([&image, &one] {
      for (int i = 0; i < repetitions; ++i) {
        const auto answer = answer_of(**image, one.kind, one.key, one.overlay);
        if (answer && *answer == one.expected) ++one.right;
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const Work& one : work) EXPECT_EQ(one.right, repetitions);
}

TEST_P(BackendConformance, AnEmptyPassHasNoAnswers) {
  const Geometry geometry{.rows = 16, .row_bytes = 4, .rows_per_page = 1};
  SeededRandom random(5);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(backend(), geometry, rows, random);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE((*image)->answer(Pass{}, {}));
}

TEST_P(BackendConformance, ItSaysWhatItIs) {
  const Geometry geometry{.rows = 16, .row_bytes = 4, .rows_per_page = 1};
  SeededRandom random(5);
  const Bytes rows = random_bytes(random, geometry.bytes());
  const auto image = make_image(backend(), geometry, rows, random);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ((*image)->kernel(), GetParam().expected_kernel);
  EXPECT_FALSE(backend().name().empty());
  EXPECT_FALSE((*image)->residency().empty());
}

// What a writer may do wrong, on a table of 20 rows of 8 bytes.
class Misuse {
 public:
  explicit Misuse(Backend& backend)
      : staging_(
            std::move(backend.stage({.rows = 20, .row_bytes = 8, .rows_per_page = 2}).value())) {}

  Result<void> write(std::uint64_t first_row, std::size_t bytes) {
    return staging_->write(first_row, std::span(rows_).first(bytes));
  }
  Result<std::shared_ptr<const Image>> seal() { return staging_->seal(); }

 private:
  std::unique_ptr<Staging> staging_;
  Bytes rows_ = Bytes(std::size_t{1} << 10U);
};

TEST_P(BackendConformance, AGapBetweenRowsIsRefused) {
  Misuse staging(backend());
  ASSERT_TRUE(staging.write(0, 16));
  EXPECT_EQ(code_of(staging.write(3, 8)), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of(staging.seal()), ErrorCode::geometry_mismatch);
}

TEST_P(BackendConformance, RowsComeOnlyOnce) {
  Misuse staging(backend());
  ASSERT_TRUE(staging.write(0, 16));
  EXPECT_EQ(code_of(staging.write(1, 8)), ErrorCode::geometry_mismatch);
}

TEST_P(BackendConformance, RowsPastTheLastAreRefused) {
  Misuse all(backend());
  EXPECT_EQ(code_of(all.write(0, 21 * 8)), ErrorCode::geometry_mismatch);
  Misuse one_more(backend());
  ASSERT_TRUE(one_more.write(0, 20 * 8));
  EXPECT_EQ(code_of(one_more.write(20, 8)), ErrorCode::geometry_mismatch);
  Misuse far_away(backend());
  EXPECT_EQ(code_of(far_away.write(~std::uint64_t{0}, 8)), ErrorCode::geometry_mismatch);
}

TEST_P(BackendConformance, PartsOfRowsAreRefused) {
  Misuse staging(backend());
  EXPECT_EQ(code_of(staging.write(0, 12)), ErrorCode::misaligned_size);
}

TEST_P(BackendConformance, SealingBeforeEveryRowIsThereIsRefused) {
  Misuse nothing(backend());
  EXPECT_EQ(code_of(nothing.seal()), ErrorCode::geometry_mismatch);
  Misuse all_but_one(backend());
  ASSERT_TRUE(all_but_one.write(0, 19 * 8));
  EXPECT_EQ(code_of(all_but_one.seal()), ErrorCode::geometry_mismatch);
}

TEST_P(BackendConformance, AStagingAreaIsEmptyAfterSealing) {
  Misuse staging(backend());
  ASSERT_TRUE(staging.write(0, 20 * 8));
  ASSERT_TRUE(staging.seal());
  EXPECT_EQ(code_of(staging.seal()), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of(staging.write(0, 8)), ErrorCode::geometry_mismatch);
}

}  // namespace
}  // namespace gyre
