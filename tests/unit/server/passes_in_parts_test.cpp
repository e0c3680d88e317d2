// Passes over images that have parts: who comes during one joins it, who leaves is in no further
// part.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/unit/server/scheduler_bench.hpp"

namespace gyre::server {
namespace {

TEST(PassesInParts, WhoComesDuringAPassJoinsItAtTheNextPart) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base({}, 3);
  image->hold();
  auto first = std::async(std::launch::async, [&] { return bench.answer({1}); });
  image->wait_for_passes(1);
  auto second = std::async(std::launch::async, [&] { return bench.answer({2, 3}); });
  while (bench.scheduler().waiting() != 1) std::this_thread::yield();
  image->release(1);
  image->wait_for_passes(2);
  auto third = std::async(std::launch::async, [&] { return bench.answer({4}); });
  while (bench.scheduler().waiting() != 1) std::this_thread::yield();
  image->release_all();
  for (auto& [asked, numbers] :
       {std::pair(&first, Numbers{1}), {&second, Numbers{2, 3}}, {&third, Numbers{4}}}) {
    const auto answered = asked->get();
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->bytes, bench.expected(numbers));
  }
  EXPECT_EQ(image->passes(), (Passes{{1}, {1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4}, {4}}));
  EXPECT_EQ(image->parts_read(), (std::vector<std::size_t>{0, 1, 2, 0, 1}));
  const PassStatistics statistics = bench.scheduler().statistics();
  EXPECT_DOUBLE_EQ(statistics.passes, 5.0 / 3);
  EXPECT_EQ(statistics.queries, 4U);
  EXPECT_EQ(statistics.largest_pass, 4U);
}

TEST(PassesInParts, AFullPassTakesInWhoWaitsAsOthersLeaveIt) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base({}, 2);
  image->hold();
  std::vector<std::future<std::optional<ErrorCode>>> asked;
  asked.push_back(bench.ask({1}));
  image->wait_for_passes(1);
  for (const std::uint64_t number : {2U, 3U, 4U}) asked.push_back(bench.ask_and_wait({number}));
  image->release_all();
  for (auto& one : asked) EXPECT_FALSE(one.get());
  EXPECT_EQ(image->passes(), (Passes{{1}, {1, 2}, {2, 3}, {3, 4}, {4}}));
}

// One whose answer finds no room is not overtaken, and has it once the others have left.
TEST(PassesInParts, AreBoundedByTheBytesOfTheirAnswersToo) {
  const std::uint64_t row_bytes = scripted_geometry.answer_bytes(QueryKind::row);
  const std::uint64_t page_bytes = scripted_geometry.answer_bytes(QueryKind::page);
  ASSERT_GT(page_bytes, row_bytes);
  SchedulerLimits limits = limits_of(8);
  limits.pass.answer_bytes = page_bytes + row_bytes - 1;
  SchedulerBench bench(limits);
  const auto image = bench.add_base({}, 2);
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  auto page = bench.ask_and_wait({2}, CurrentEpoch{}, QueryKind::page);
  auto last = bench.ask_and_wait({3});
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(page.get());
  EXPECT_FALSE(last.get());
  EXPECT_EQ(image->passes(), (Passes{{1}, {1}, {2}, {2}, {3}, {3}}));
}

// For the thread sanitizer: the part that a late request is in ends while that gives up.
TEST(PassesInParts, WhoIsLateWhileAPartEndsIsOutOfItOnce) {
  SchedulerBench bench(limits_of(8));
  bench.add_base(
      [](std::size_t) {
        std::this_thread::sleep_for(milliseconds(1));
        return Result<void>{};
      },
      2);
  for (int repetition = 0; repetition < 100; ++repetition) {
    auto patient = bench.ask({1});
    auto late = bench.ask({2}, CurrentEpoch{}, QueryKind::row, never, in(milliseconds(2)));
    EXPECT_FALSE(patient.get());
    const auto code = late.get();
    EXPECT_TRUE(!code || *code == ErrorCode::queue_full);
  }
  EXPECT_EQ(bench.scheduler().waiting(), 0U);
  EXPECT_EQ(bench.memory().left(), 1'000'000U);
}

TEST(PassesInParts, WhoGoesOrIsLateIsInNoFurtherPart) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base({}, 3);
  image->hold();
  std::atomic<bool> gone{false};
  const std::function<bool()> ask_it = [&gone] { return gone.load(); };
  auto leaving = bench.ask({1}, CurrentEpoch{}, QueryKind::row, never, never, ask_it);
  image->wait_for_passes(1);
  auto late = bench.ask_and_wait({2}, CurrentEpoch{}, QueryKind::row, never, in(milliseconds(50)));
  auto staying = std::async(std::launch::async, [&] { return bench.answer({3}); });
  while (bench.scheduler().waiting() != 2) std::this_thread::yield();
  image->release(1);
  image->wait_for_passes(2);
  EXPECT_EQ(late.get(), ErrorCode::queue_full);
  gone = true;
  image->release_all();
  EXPECT_EQ(leaving.get(), ErrorCode::cancelled) << "though it ran the pass";
  const auto answered = staying.get();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected({3}));
  EXPECT_EQ(image->passes(), (Passes{{1}, {1, 2, 3}, {3}, {3}}));
  EXPECT_EQ(bench.memory().left(), 1'000'000U - 1) << "only what was answered";
}

// Images take turns part by part; a request in a pass whose turn it is not can still be late.
TEST(PassesInParts, WhoIsLateBetweenItsPartsLeavesThePass) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base({}, 2);
  const auto other = bench.add_base();
  image->hold();
  other->hold();
  auto late = bench.ask({1}, bench.id(0, 0), QueryKind::row, never, in(milliseconds(100)));
  image->wait_for_passes(1);
  auto of_other = bench.ask_and_wait({2}, bench.id(1, 0));
  image->release(1);
  other->wait_for_passes(1);
  EXPECT_EQ(late.get(), ErrorCode::queue_full);
  EXPECT_EQ(bench.memory().left(), 1'000'000U - 1) << "only the other's";
  other->release_all();
  EXPECT_FALSE(of_other.get());
  image->release_all();
  EXPECT_FALSE(code_of(bench.answer({3}, bench.id(0, 0))));
  EXPECT_EQ(image->passes(), (Passes{{1}, {3}, {3}}));
}

TEST(PassesInParts, AFailingPartFailsThoseInIt) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base(
      [](std::size_t part) -> Result<void> {
        if (part == 1) return fail(ErrorCode::device_failed, "as the test wants it");
        return {};
      },
      2);
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  auto second = bench.ask_and_wait({2});
  image->release(1);
  image->wait_for_passes(2);
  auto third = std::async(std::launch::async, [&] { return bench.answer({3}); });
  while (bench.scheduler().waiting() != 1) std::this_thread::yield();
  image->release_all();
  EXPECT_EQ(first.get(), ErrorCode::device_failed);
  EXPECT_EQ(second.get(), ErrorCode::device_failed);
  const auto answered = third.get();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected({3}));
}

TEST(PassesInParts, ClosedItLetsThosePassesGoRoundThatHaveBegun) {
  SchedulerBench bench(limits_of(1));
  const auto image = bench.add_base({}, 3);
  image->hold();
  auto in_pass = bench.ask({1});
  image->wait_for_passes(1);
  auto waiting = bench.ask_and_wait({2});
  bench.scheduler().close();
  EXPECT_EQ(waiting.get(), ErrorCode::draining);
  image->release_all();
  EXPECT_FALSE(in_pass.get());
  EXPECT_EQ(image->passes(), (Passes{{1}, {1}, {1}}));
}

}  // namespace
}  // namespace gyre::server
