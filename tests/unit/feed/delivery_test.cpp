#include "harness/feed/delivery.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "harness/feed/directory_receiver.hpp"
#include "harness/feed/plan.hpp"
#include "tests/support/code_of.hpp"
#include "tests/unit/feed/small_feed.hpp"

namespace gyre::feed {
namespace {

// What a server would have.
struct Taken {
  std::uint64_t seq = 0;
  std::vector<std::byte> body;
  friend bool operator==(const Taken&, const Taken&) = default;
};

// Takes everything, except where the test says otherwise.
class FakeReceiver final : public BatchReceiver {
 public:
  using Answer = std::function<Result<void>(std::uint64_t seq, std::size_t call)>;

  FakeReceiver(std::string name, std::vector<Taken>& taken, Answer answer)
      : name_(std::move(name)), taken_(taken), answer_(std::move(answer)) {}
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] Result<void> take(std::uint64_t seq, std::span<const std::byte> body) override {
    taken_.push_back({seq, {body.begin(), body.end()}});
    return answer_(seq, calls_++);
  }

 private:
  std::string name_;
  std::vector<Taken>& taken_;
  Answer answer_;
  std::size_t calls_ = 0;
};

Result<void> takes(std::uint64_t, std::size_t) {
  return {};
}
Result<void> cut_off(std::uint64_t, std::size_t) {
  return fail(ErrorCode::unreachable, "cut off");
}
Result<void> refuses(std::uint64_t, std::size_t) {
  return fail(ErrorCode::sequence_gap, "the next batch is number 1");
}

class DeliveryTest : public TemporaryDirectoryTest {
 protected:
  DeliveryTest() {
    build_small(directory_, {{"a", "1"}, {"b", "2"}}, 0.5);
    options_.attempts = 3;
    options_.first_pause = std::chrono::milliseconds(0);
  }

  void change(FeedState& state, const std::string& csv) {
    ChangeFiles files;
    files.header = snapshot::CsvHeader::absent;
    files.puts = directory_.write("puts.csv", csv);
    require(plan_changes(state, files, default_batch_rows, {}));
  }

  // One run of the program.
  Result<std::uint64_t> run(const FakeReceiver::Answer& first, const FakeReceiver::Answer& second,
                            const std::string& changes = "") {
    FeedState state = open_feed(directory_);
    const auto receivers = receivers_of(first, second);
    auto before = deliver(state, receivers, options_);
    if (!before || changes.empty()) return before;
    change(state, changes);
    return deliver(state, receivers, options_);
  }

  std::vector<std::unique_ptr<BatchReceiver>> receivers_of(const FakeReceiver::Answer& first,
                                                           const FakeReceiver::Answer& second) {
    std::vector<std::unique_ptr<BatchReceiver>> receivers;
    receivers.push_back(std::make_unique<FakeReceiver>("first", first_, first));
    receivers.push_back(std::make_unique<FakeReceiver>("second", second_, second));
    return receivers;
  }

  DeliveryOptions options_;
  std::vector<Taken> first_;
  std::vector<Taken> second_;
};

TEST_F(DeliveryTest, BothGetTheSameBatchOnce) {
  EXPECT_EQ(run(takes, takes, "a,one\n").value(), 1U);
  ASSERT_EQ(first_.size(), 1U);
  EXPECT_EQ(first_[0].seq, 1U);
  EXPECT_EQ(first_, second_);
  EXPECT_EQ(run(takes, takes).value(), 0U);
  EXPECT_EQ(first_.size(), 1U);
}

TEST_F(DeliveryTest, OneThatLacksABatchGetsTheSameBytesBeforeAnythingNew) {
  EXPECT_EQ(code_of(run(takes, cut_off, "a,one\n")), ErrorCode::unreachable);
  const auto batch = first_.at(0);
  ASSERT_EQ(second_.size(), options_.attempts);
  for (const Taken& tried : second_) EXPECT_EQ(tried, batch);

  // The next run has other changes; the first receiver is not asked for batch 1 again.
  second_.clear();
  EXPECT_EQ(run(takes, takes, "a,uno\nb,due\n").value(), 1U);
  ASSERT_EQ(second_.size(), 2U);
  EXPECT_EQ(second_[0], batch);
  ASSERT_EQ(first_.size(), 2U);
  EXPECT_EQ(first_[1], second_[1]);
  EXPECT_EQ(first_[1].seq, 2U);
}

TEST_F(DeliveryTest, NothingNewIsPlannedWhileSomethingOldIsStuck) {
  EXPECT_FALSE(run(takes, cut_off, "a,one\n"));
  EXPECT_FALSE(run(takes, cut_off, "b,two\n"));
  FeedState state = open_feed(directory_);
  EXPECT_EQ(require(state.last_seq()), 1U);
}

TEST_F(DeliveryTest, ACrashBeforeAnyAnswerSendsTheSameAgain) {
  std::vector<std::byte> planned;
  {
    FeedState state = open_feed(directory_);
    change(state, "a,one\nc,three\n");
    planned = require(state.batch(1)).value();
  }
  EXPECT_EQ(run(takes, takes).value(), 1U);
  EXPECT_EQ(first_.at(0).body, planned);
  EXPECT_EQ(second_.at(0).body, planned);
}

TEST_F(DeliveryTest, TroubleThatPassesIsWaitedFor) {
  const auto busy_twice = [](std::uint64_t, std::size_t call) -> Result<void> {
    if (call < 2) return fail(ErrorCode::overlay_full, "wait");
    return {};
  };
  EXPECT_EQ(run(busy_twice, takes, "a,one\n").value(), 1U);
  ASSERT_EQ(first_.size(), 3U);
  EXPECT_EQ(first_[0], first_[2]);
}

TEST_F(DeliveryTest, ARefusalEndsItAtOnceWithTheServersSentence) {
  const auto outcome = run(refuses, takes, "a,one\n");
  ASSERT_EQ(code_of(outcome), ErrorCode::sequence_gap);
  EXPECT_EQ(outcome.error().message, "the next batch is number 1");
  EXPECT_EQ(first_.size(), 1U);
  EXPECT_EQ(second_.size(), 1U);
}

TEST_F(DeliveryTest, BatchesGoInOrderAndNoneOvertakesAnother) {
  FeedState state = open_feed(directory_);
  change(state, "a,one\n");
  change(state, "a,two\n");
  change(state, "a,three\n");
  const auto second_fails = [](std::uint64_t seq, std::size_t) -> Result<void> {
    if (seq == 2) return fail(ErrorCode::internal, "no");
    return {};
  };
  EXPECT_FALSE(deliver(state, receivers_of(second_fails, takes), options_));
  ASSERT_EQ(second_.size(), 2U);
  EXPECT_EQ(second_[0].seq, 1U);
  EXPECT_EQ(second_[1].seq, 2U);
  EXPECT_EQ(deliver(state, receivers_of(takes, takes), options_).value(), 2U);
  EXPECT_EQ(second_.back().seq, 3U);
  EXPECT_EQ(second_.size(), 3U);  // batch 2 was there already
}

TEST_F(DeliveryTest, OldBatchesCanBeSentAgain) {
  EXPECT_TRUE(run(takes, takes, "a,one\n"));
  EXPECT_TRUE(run(takes, takes, "a,two\n"));
  const auto sent = first_;
  first_.clear();
  FeedState state = open_feed(directory_);
  EXPECT_EQ(deliver_again(state, receivers_of(takes, takes), 1, options_).value(), 2U);
  EXPECT_EQ(first_, sent);
  EXPECT_EQ(code_of(deliver_again(state, receivers_of(takes, takes), 3, options_)),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(deliver_again(state, receivers_of(takes, takes), 0, options_)),
            ErrorCode::not_found);
  EXPECT_EQ(require(state.first_pending()), std::nullopt);
}

TEST_F(DeliveryTest, StopsWhenAskedAndKeepsWhatIsLeft) {
  std::stop_source stop;
  options_.stop = stop.get_token();
  options_.attempts = 1000;
  options_.first_pause = std::chrono::hours(1);
  const auto unreachable_then_stop = [&](std::uint64_t, std::size_t) -> Result<void> {
    stop.request_stop();
    return fail(ErrorCode::unreachable, "cut off");
  };
  EXPECT_EQ(code_of(run(unreachable_then_stop, takes, "a,one\n")), ErrorCode::cancelled);
  FeedState state = open_feed(directory_);
  EXPECT_EQ(require(state.first_pending()), 1U);
}

TEST_F(DeliveryTest, FilesHoldTheBinaryForm) {
  FeedState state = open_feed(directory_);
  change(state, "a,one\n");
  const auto body = require(state.batch(1)).value();
  std::filesystem::create_directory(directory_.path() / "out");
  DirectoryReceiver files(directory_.path() / "out");
  ASSERT_TRUE(files.take(1, body));
  const std::string written = directory_.read("out/00000000000000000001.batch");
  EXPECT_TRUE(std::ranges::equal(as_bytes(written), body));
  // The same again, as after a crash, is well; another batch is not.
  EXPECT_TRUE(files.take(1, body));
  EXPECT_EQ(code_of(files.take(1, as_bytes("another"))), ErrorCode::io_failed);
  EXPECT_EQ(directory_.read("out/00000000000000000001.batch"), written);
  DirectoryReceiver nowhere(directory_.path() / "missing");
  EXPECT_EQ(code_of(nowhere.take(1, body)), ErrorCode::io_failed);
}

}  // namespace
}  // namespace gyre::feed
