#include "harness/feed/feed_state.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/feed/plan.hpp"
#include "tests/support/code_of.hpp"
#include "tests/unit/feed/small_feed.hpp"

namespace gyre::feed {
namespace {

class FeedStateTest : public TemporaryDirectoryTest {
 protected:
  Result<FeedState> open() {
    return FeedState::open(directory_.path() / "table.feed.db",
                           directory_.path() / "table.manifest.json", {});
  }
  void change(FeedState& state, const std::string& csv) {
    ChangeFiles files;
    files.header = snapshot::CsvHeader::absent;
    files.puts = directory_.write("puts.csv", csv);
    require(plan_changes(state, files, default_batch_rows, {}));
  }
};

TEST_F(FeedStateTest, BeginsAsTheSnapshotIs) {
  const Entries entries{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  const snapshot::Manifest manifest = build_small(directory_, entries, 0.5, 17);
  FeedState state = require(open());
  EXPECT_EQ(require(state.last_seq()), 17U);
  EXPECT_EQ(require(state.first_pending()), std::nullopt);
  const ServedRows served(directory_, manifest);
  for (const auto& [key, value] : entries) {
    const auto stored = require(state.find(table::tag(state.layout(), as_bytes(key))));
    ASSERT_TRUE(stored);
    EXPECT_TRUE(std::ranges::equal(stored->key, as_bytes(key)));
    EXPECT_EQ(stored->value.size(), value_bytes);
    EXPECT_EQ(std::to_integer<char>(stored->value.front()), value.front());
    const auto holder = require(state.holder_of(stored->row));
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->key, stored->key);
  }
  EXPECT_EQ(require(state.find(1)), std::nullopt);
}

TEST_F(FeedStateTest, IsTheTruthFromThenOn) {
  build_small(directory_, {{"a", "1"}, {"b", "2"}}, 0.5);
  {
    FeedState state = require(open());
    change(state, "a,one\n");
  }
  // Neither the rows nor the builder file are needed again.
  std::filesystem::remove(directory_.path() / "table.rows");
  std::filesystem::remove(directory_.path() / "table.builder");
  FeedState state = require(open());
  EXPECT_EQ(require(state.last_seq()), 1U);
  EXPECT_EQ(require(state.first_pending()), 1U);
  EXPECT_TRUE(require(state.batch(1)));
  EXPECT_FALSE(require(state.batch(2)));
}

TEST_F(FeedStateTest, IsPrivate) {
  build_small(directory_, {{"a", "1"}}, 0.5);
  const FeedState state = require(open());
  struct stat status {};
  ASSERT_EQ(::stat((directory_.path() / "table.feed.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(FeedStateTest, IsOpenOnceAtATime) {
  build_small(directory_, {{"a", "1"}}, 0.5);
  {
    const FeedState state = require(open());
    const auto second = open();
    ASSERT_EQ(code_of(second), ErrorCode::io_failed);
    EXPECT_NE(second.error().message.find("in use"), std::string::npos);
  }
  EXPECT_TRUE(open());
}

TEST_F(FeedStateTest, ChangesThatAreNotCommittedNeverWere) {
  build_small(directory_, {{"a", "1"}}, 0.5);
  FeedState state = require(open());
  const std::uint64_t tag = table::tag(state.layout(), as_bytes("a"));
  {
    auto transaction = require(state.begin());
    require(state.erase(tag));
    EXPECT_FALSE(require(state.find(tag)));
  }
  EXPECT_TRUE(require(state.find(tag)));
}

TEST_F(FeedStateTest, BelongsToOneSnapshot) {
  build_small(directory_, {{"a", "1"}}, 0.5);
  require(open());
  for (const char* const suffix : {".rows", ".manifest.json", ".builder"}) {
    std::filesystem::remove(directory_.path() / (std::string("table") + suffix));
  }
  build_small(directory_, {{"a", "1"}}, 0.5);
  EXPECT_EQ(code_of(open()), ErrorCode::bad_configuration);
}

TEST_F(FeedStateTest, IsNotMadeFromASnapshotThatIsNotWhole) {
  const snapshot::Manifest manifest = build_small(directory_, {{"a", "1"}, {"b", "2"}}, 0.5);
  const std::string good = directory_.read("table.rows");
  std::string bad = good;
  bad[0] = static_cast<char>(bad[0] ^ 1);
  directory_.write("table.rows", bad);
  EXPECT_EQ(code_of(open()), ErrorCode::digest_mismatch);
  directory_.write("table.rows", good);
  const std::string builder = directory_.read("table.builder");
  directory_.write("table.builder", builder.substr(0, builder.size() - 1));
  EXPECT_FALSE(open());
  std::filesystem::remove(directory_.path() / "table.builder");
  EXPECT_EQ(code_of(open()), ErrorCode::io_failed);
  // And what failed has left nothing that would be taken for a state.
  directory_.write("table.builder", builder);
  EXPECT_TRUE(open());
}

TEST_F(FeedStateTest, OtherFilesAreRefused) {
  build_small(directory_, {{"a", "1"}}, 0.5);
  directory_.write("table.feed.db", std::string(5000, 'x'));
  EXPECT_EQ(code_of(open()), ErrorCode::io_failed);
  EXPECT_EQ(directory_.read("table.feed.db"), std::string(5000, 'x'));
}

TEST_F(FeedStateTest, AnIndexedTableHasNoFeed) {
  snapshot::IndexedBuild build;
  build.input = directory_.write("input", std::string(64, 'x'));
  build.row_bytes = 32;
  build.output = {directory_.path(), "table"};
  SystemRandom random;
  require(snapshot::build_indexed(build, random, {}));
  EXPECT_EQ(code_of(open()), ErrorCode::bad_configuration);
}

TEST_F(FeedStateTest, ForgetsBatchesThatEverybodyHasHadForLong) {
  build_small(directory_, {{"a", "0"}}, 0.5);
  FeedState state = require(open());
  const std::uint64_t total = kept_batches + 10;
  {
    auto transaction = require(state.begin());
    for (std::uint64_t seq = 1; seq <= total; ++seq) {
      require(state.append_batch(
          {seq, {{state.metadata().table, {0}, std::vector<std::byte>(value_bytes + tag_bytes)}}}));
    }
    require(transaction.commit());
  }
  require(state.acknowledge(5, "somebody"));
  EXPECT_TRUE(require(state.is_acknowledged(5, "somebody")));
  EXPECT_FALSE(require(state.is_acknowledged(5, "somebody else")));
  EXPECT_FALSE(require(state.is_acknowledged(6, "somebody")));
  for (std::uint64_t seq = 1; seq <= 9; ++seq) require(state.set_delivered(seq));
  require(state.set_delivered(total));
  EXPECT_FALSE(require(state.batch(9)));
  // The tenth is still pending, however old it is.
  EXPECT_TRUE(require(state.batch(10)));
  EXPECT_EQ(require(state.first_pending()), 10U);
  EXPECT_FALSE(require(state.is_acknowledged(5, "somebody")));
}

}  // namespace
}  // namespace gyre::feed
