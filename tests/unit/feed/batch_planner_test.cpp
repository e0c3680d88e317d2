#include "harness/feed/batch_planner.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "harness/feed/plan.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/unit/feed/small_feed.hpp"

namespace gyre::feed {
namespace {

std::string key_of(unsigned number) {
  return "key " + std::to_string(number);
}

Entries some_entries(unsigned count) {
  Entries entries;
  for (unsigned i = 0; i < count; ++i) entries[key_of(i)] = std::to_string(i);
  return entries;
}

Result<void> put(BatchPlanner& planner, const std::string& key, const std::string& value) {
  return planner.put(as_bytes(key), as_bytes(value));
}

class BatchPlannerTest : public TemporaryDirectoryTest {
 protected:
  Result<PlanSummary> plan(FeedState& state, const std::string& puts,
                           const std::string& deletions = "",
                           std::uint32_t batch_rows = default_batch_rows) {
    ChangeFiles files;
    files.header = snapshot::CsvHeader::absent;
    files.puts = directory_.write("puts.csv", puts);
    files.deletions = directory_.write("deletions.csv", deletions);
    return plan_changes(state, files, batch_rows, {});
  }
};

// One snapshot for all cases of a property, each of which drops its transaction: no case waits for
// a disk, and each begins with the state that the ones before must have left alone.
struct SharedFeed {
  SharedFeed() : entries(some_entries(25)), manifest(build_small(directory, entries, 0.5, 41)) {}

  TestDirectory directory;
  Entries entries;
  snapshot::Manifest manifest;
  FeedState state = open_feed(directory);
};

RC_GTEST_PROP(BatchPlanner, TheTableHoldsWhatTheChangesSay, ()) {
  static SharedFeed shared;
  FeedState& state = shared.state;
  Entries entries = shared.entries;
  ServedRows served(shared.directory, shared.manifest);
  const std::vector<std::byte> rows_before = served.bytes();
  RC_ASSERT(require(state.last_seq()) == 41U);

  auto transaction = require(state.begin());
  BatchPlanner planner(state, min_batch_rows);
  const auto changes = *rc::gen::container<std::vector<std::pair<unsigned, std::uint8_t>>>(
      rc::gen::pair(anywhere_in(0U, 42U), rc::gen::arbitrary<std::uint8_t>()));
  for (const auto& [number, value] : changes) {
    const std::string key = key_of(number);
    if (value % 3 == 0) {
      entries.erase(key);
      require(planner.erase(as_bytes(key)));
      continue;
    }
    const auto done = put(planner, key, std::to_string(value));
    // The table is small: a few keys may share all their rows.
    if (!done && done.error().code == ErrorCode::table_full) return;
    RC_ASSERT(done);
    entries[key] = std::to_string(value);
  }
  require(planner.finish());
  served.catch_up(state);
  for (unsigned number = 0; number < 42; ++number) {
    const auto found = entries.find(key_of(number));
    RC_ASSERT(served.find(key_of(number)) ==
              (found == entries.end() ? std::nullopt : std::optional(found->second)));
  }
  RC_ASSERT(served.used_rows() == entries.size());
  if (served.seq() == 41) RC_ASSERT(served.bytes() == rows_before);
}

TEST_F(BatchPlannerTest, NoReaderMissesAKeyBetweenTwoBatches) {
  // Half of the keys are new; at that load many of the old ones have to move.
  const unsigned old_keys = 400;
  const Entries entries = some_entries(old_keys);
  const snapshot::Manifest manifest = build_small(directory_, entries, 0.5, 41);
  ServedRows served(directory_, manifest);
  FeedState state = open_feed(directory_);
  std::string puts;
  for (unsigned i = old_keys; i < 620; ++i) puts += key_of(i) + "," + std::to_string(i) + "\n";
  const auto summary = plan(state, puts, "", min_batch_rows);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->inserted, 220U);
  EXPECT_GT(summary->moved, 0U);

  std::uint64_t rows = 0;
  for (std::uint64_t seq = 42; seq <= require(state.last_seq()); ++seq) {
    const auto body = require(state.batch(seq));
    ASSERT_TRUE(body);
    served.apply(*body);
    const std::uint64_t rows_in_batch =
        (body->size() - 36) / (8 + manifest.metadata.geometry.row_bytes);
    EXPECT_LE(rows_in_batch, min_batch_rows);
    rows += rows_in_batch;
    for (const auto& [key, value] : entries) ASSERT_EQ(served.find(key), value);
  }
  EXPECT_EQ(served.seq(), 41 + summary->batches);
  EXPECT_GT(summary->batches, 3U);
  EXPECT_EQ(rows, summary->rows);
  for (unsigned i = old_keys; i < 620; ++i) ASSERT_EQ(served.find(key_of(i)), std::to_string(i));
  EXPECT_EQ(served.used_rows(), 620U);
}

TEST_F(BatchPlannerTest, OnlyRowsOfChangedKeysAreInABatch) {
  const snapshot::Manifest manifest = build_small(directory_, some_entries(100));
  ServedRows served(directory_, manifest);
  FeedState state = open_feed(directory_);
  const auto summary = plan(state, "key 7,seven\nkey 8,8\nkey 9,nine\n", "key 10\nnobody\n");
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->changed, 2U);
  EXPECT_EQ(summary->deleted, 1U);
  EXPECT_EQ(summary->unchanged, 2U);  // key 8 was 8, and nobody was not there
  EXPECT_EQ(served.catch_up(state), std::vector<std::size_t>{3});
  EXPECT_EQ(served.find("key 7"), "seven");
  EXPECT_EQ(served.find("key 8"), "8");
  EXPECT_EQ(served.find("key 9"), "nine");
  EXPECT_EQ(served.find("key 10"), std::nullopt);
  EXPECT_EQ(served.used_rows(), 99U);
}

TEST_F(BatchPlannerTest, TheSameChangesAgainAreNoBatch) {
  build_small(directory_, some_entries(20), 0.5);
  FeedState state = open_feed(directory_);
  ASSERT_TRUE(plan(state, "key 1,one\nnew,1\n", "key 2\n"));
  const auto again = plan(state, "key 1,one\nnew,1\n", "key 2\n");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->batches, 0U);
  EXPECT_EQ(again->unchanged, 3U);
  EXPECT_EQ(require(state.last_seq()), 1U);
}

TEST_F(BatchPlannerTest, AKeyThatOccursTwiceHasItsLastValue) {
  ServedRows served(directory_, build_small(directory_, some_entries(20), 0.5));
  FeedState state = open_feed(directory_);
  ASSERT_TRUE(plan(state, "key 1,a\nkey 1,b\n", "key 1\nkey 2\n"));
  EXPECT_EQ(served.catch_up(state), std::vector<std::size_t>{2});
  EXPECT_EQ(served.find("key 1"), "b");
  EXPECT_EQ(served.find("key 2"), std::nullopt);
}

TEST_F(BatchPlannerTest, AFullTableLeavesEverythingAsItWas) {
  const Entries entries = some_entries(40);
  ServedRows served(directory_, build_small(directory_, entries));
  FeedState state = open_feed(directory_);
  std::string puts = "key 0,changed\n";
  for (unsigned i = 100; i < 200; ++i) puts += key_of(i) + ",1\n";
  const auto full = plan(state, puts, "key 1\n");
  ASSERT_EQ(code_of(full), ErrorCode::table_full);
  EXPECT_NE(full.error().message.find("line "), std::string::npos);
  EXPECT_EQ(full.error().message.find("key 1"), std::string::npos);
  EXPECT_EQ(require(state.last_seq()), 0U);
  EXPECT_EQ(require(state.first_pending()), std::nullopt);
  // What comes next is planned as if that had never been tried.
  const auto next = plan(state, "key 3,three\n");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(served.catch_up(state), std::vector<std::size_t>{1});
  EXPECT_EQ(served.find("key 0"), "0");
  EXPECT_EQ(served.find("key 1"), "1");
  EXPECT_EQ(served.find("key 3"), "three");
}

TEST_F(BatchPlannerTest, AMistakeInTheInputChangesNothing) {
  build_small(directory_, some_entries(20), 0.5);
  FeedState state = open_feed(directory_);
  EXPECT_EQ(code_of(plan(state, "new,1\nkey 1,longer than eight bytes\n")),
            ErrorCode::malformed_input);
  EXPECT_EQ(code_of(plan(state, "new,1\n", "key 1,with a value\n")), ErrorCode::malformed_input);
  EXPECT_EQ(require(state.last_seq()), 0U);
}

TEST_F(BatchPlannerTest, JsonLinesAreReadToo) {
  ServedRows served(directory_, build_small(directory_, some_entries(20), 0.5));
  FeedState state = open_feed(directory_);
  ChangeFiles files;
  files.puts_format = files.deletions_format = snapshot::InputFormat::json_lines;
  files.puts = directory_.write("puts.jsonl", "{\"key\":\"key 1\",\"value\":\"one\"}\n");
  files.deletions = directory_.write("deletions.jsonl", "{\"key\":\"key 2\"}\n");
  ASSERT_TRUE(plan_changes(state, files, default_batch_rows, {}));
  served.catch_up(state);
  EXPECT_EQ(served.find("key 1"), "one");
  EXPECT_EQ(served.find("key 2"), std::nullopt);
  files.deletions = directory_.write("deletions.jsonl", "{\"key\":\"key 2\",\"value\":\"\"}\n");
  EXPECT_EQ(code_of(plan_changes(state, files, default_batch_rows, {})),
            ErrorCode::malformed_input);
}

}  // namespace
}  // namespace gyre::feed
