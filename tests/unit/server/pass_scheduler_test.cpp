#include "harness/server/pass_scheduler.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cmath>
#include <future>
#include <new>
#include <numeric>
#include <set>
#include <thread>

#include "tests/support/generators.hpp"
#include "tests/unit/server/scheduler_bench.hpp"

namespace gyre::server {
namespace {

TEST(PassScheduler, AnIdleOneAnswersOnTheThreadThatAsks) {
  SchedulerBench bench(limits_of(4));
  std::thread::id ran_on;
  const auto image = bench.add_base([&](std::size_t) {
    ran_on = std::this_thread::get_id();
    return Result<void>{};
  });
  const auto answered = bench.answer({7});
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected({7}));
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_EQ(bench.scheduler().statistics().passes, 1U);
}

TEST(PassScheduler, ThoseWhoComeDuringAPassShareTheNext) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base();
  bench.add_batch();
  bench.add_batch();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  // Of three minor epochs over the same image, rows and pages.
  auto second = bench.ask_and_wait({2}, bench.id(0, 0));
  auto third = bench.ask_and_wait({3, 4}, bench.id(0, 1), QueryKind::page);
  auto fourth = std::async(std::launch::async, [&] { return bench.answer({5}); });
  while (bench.scheduler().waiting() != 3) std::this_thread::yield();
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  const auto answered = fourth.get();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected({5}, 0, 2));
  EXPECT_EQ(image->passes(), (Passes{{1}, {2, 3, 4, 5}}));
  const PassStatistics statistics = bench.scheduler().statistics();
  EXPECT_EQ(statistics.passes, 2U);
  EXPECT_EQ(statistics.queries, 5U);
  EXPECT_EQ(statistics.largest_pass, 4U);
}

TEST(PassScheduler, WhoComesFirstIsInTheFirstPassThatHasRoom) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base();
  image->hold();
  std::vector<std::future<std::optional<ErrorCode>>> asked;
  asked.push_back(bench.ask({0}));
  image->wait_for_passes(1);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    asked.push_back(bench.ask_and_wait({number}));
  }
  image->release_all();
  for (auto& one : asked) EXPECT_FALSE(one.get());
  EXPECT_EQ(image->passes(), (Passes{{0}, {1, 2}, {3, 4}, {5}}));
}

TEST(PassScheduler, ALongRequestDoesNotKeepShortOnesWaiting) {
  SchedulerBench bench(limits_of(4));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({0});
  image->wait_for_passes(1);
  Numbers numbers(9);
  std::iota(numbers.begin(), numbers.end(), 100);
  auto long_one = std::async(std::launch::async, [&] { return bench.answer(numbers); });
  while (bench.scheduler().waiting() != 1) std::this_thread::yield();
  auto second = bench.ask_and_wait({1});
  auto third = bench.ask_and_wait({2});
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  const auto answered = long_one.get();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected(numbers));
  EXPECT_EQ(image->passes(),
            (Passes{{0}, {100, 101, 1, 2}, {102, 103, 104, 105}, {106, 107, 108}}));
}

TEST(PassScheduler, DifferentImagesAreScannedAtOnceUpToABound) {
  SchedulerBench bench(limits_of(4, 2));
  std::array<std::shared_ptr<const ScriptedImage>, 3> images;
  std::vector<std::future<std::optional<ErrorCode>>> asked;
  for (auto& image : images) {
    image = bench.add_base();
    image->hold();
  }
  for (std::size_t base : {0U, 1U}) {
    asked.push_back(bench.ask({base}, bench.id(base, 0)));
    images[base]->wait_for_passes(1);
  }
  // The first of these asked first, but images take turns.
  asked.push_back(bench.ask_and_wait({10}, bench.id(0, 0)));
  asked.push_back(bench.ask_and_wait({12}, bench.id(2, 0)));
  EXPECT_TRUE(images[2]->passes().empty());
  images[0]->release(1);
  images[2]->wait_for_passes(1);
  EXPECT_EQ(images[0]->passes().size(), 1U);
  for (const auto& image : images) image->release_all();
  for (auto& one : asked) EXPECT_FALSE(one.get());
  EXPECT_EQ(images[0]->passes(), (Passes{{0}, {10}}));
  EXPECT_EQ(images[2]->passes(), (Passes{{12}}));
}

TEST(PassScheduler, WhoFindsNoRoomToWaitIsToldSo) {
  SchedulerBench bench(limits_of(4, 1, 2));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  auto second = bench.ask_and_wait({2});
  auto third = bench.ask_and_wait({3});
  EXPECT_EQ(code_of(bench.answer({4})), ErrorCode::queue_full);
  const auto other = bench.add_base();  // nor is there for queries on other images
  EXPECT_EQ(code_of(bench.answer({5})), ErrorCode::queue_full);
  EXPECT_EQ(bench.scheduler().statistics().refused, 2U);
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  EXPECT_FALSE(code_of(bench.answer({6})));
}

TEST(PassScheduler, WhoWaitsTooLongLeavesTheQueue) {
  SchedulerBench bench(limits_of(4));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  EXPECT_EQ(code_of(bench.answer({2}, CurrentEpoch{}, QueryKind::row, in(milliseconds(1)))),
            ErrorCode::queue_full);
  EXPECT_EQ(bench.scheduler().waiting(), 0U);
  EXPECT_EQ(bench.scheduler().statistics().late, 1U);
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_EQ(image->passes(), (Passes{{1}}));
}

// The pass, which goes on, must not touch what the request has taken with it.
TEST(PassScheduler, WhoIsLateInAPassLeavesItAndThePassGoesOn) {
  SchedulerBench bench(limits_of(4));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  auto leader = bench.ask_and_wait({2});
  auto late = bench.ask_and_wait({3}, CurrentEpoch{}, QueryKind::row, never, in(milliseconds(50)));
  auto patient = std::async(std::launch::async, [&] { return bench.answer({4}); });
  while (bench.scheduler().waiting() != 3) std::this_thread::yield();
  image->release(1);
  image->wait_for_passes(2);
  EXPECT_EQ(late.get(), ErrorCode::queue_full);
  EXPECT_LT(bench.memory().left(), 1'000'000U) << "the pass has its memory still";
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(leader.get());
  const auto answered = patient.get();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->bytes, bench.expected({4}));
  EXPECT_EQ(image->passes(), (Passes{{1}, {2, 3, 4}}));
}

TEST(PassScheduler, WhoHasGoneIsInNoPass) {
  SchedulerBench bench(limits_of(8));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  std::atomic<bool> gone{false};
  const std::function<bool()> ask_it = [&gone] { return gone.load(); };
  // The first of those who wait would run the next pass.
  auto second = bench.ask_and_wait({2}, CurrentEpoch{}, QueryKind::row, never, never, ask_it);
  auto third = bench.ask_and_wait({3});
  auto fourth = bench.ask_and_wait({4}, CurrentEpoch{}, QueryKind::row, never, never, ask_it);
  auto fifth = bench.ask_and_wait({5}, CurrentEpoch{}, QueryKind::row, never, never,
                                  std::function<bool()>([] { return false; }));
  gone = true;
  image->release_all();
  EXPECT_FALSE(first.get());
  EXPECT_EQ(second.get(), ErrorCode::cancelled);
  EXPECT_FALSE(third.get());
  EXPECT_EQ(fourth.get(), ErrorCode::cancelled);
  EXPECT_FALSE(fifth.get());
  EXPECT_EQ(image->passes(), (Passes{{1}, {3, 5}}));
  EXPECT_EQ(bench.scheduler().statistics().gone, 2U);
  EXPECT_EQ(bench.scheduler().waiting(), 0U);
}

TEST(PassScheduler, WhoGoesBetweenItsPassesIsInNoFurtherOne) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base();
  image->hold();
  std::atomic<bool> gone{false};
  auto many = bench.ask({1, 2, 3, 4, 5}, CurrentEpoch{}, QueryKind::row, never, never,
                        std::function<bool()>([&gone] { return gone.load(); }));
  image->wait_for_passes(1);
  gone = true;
  image->release_all();
  EXPECT_EQ(many.get(), ErrorCode::cancelled);
  EXPECT_EQ(image->passes(), (Passes{{1, 2}}));
  EXPECT_FALSE(bench.ask({6}).get());  // nothing keeps the images busy
}

TEST(PassScheduler, WhoComesIntoAPassInPlaceOfTheGoneIsAskedToo) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  std::atomic<bool> gone{false};
  const std::function<bool()> ask_it = [&gone] { return gone.load(); };
  std::vector<std::future<std::optional<ErrorCode>>> left;
  for (const std::uint64_t number : {2U, 3U, 4U}) {
    left.push_back(
        bench.ask_and_wait({number}, CurrentEpoch{}, QueryKind::row, never, never, ask_it));
  }
  auto staying = bench.ask_and_wait({5});
  gone = true;
  image->release_all();
  EXPECT_FALSE(first.get());
  for (auto& one : left) EXPECT_EQ(one.get(), ErrorCode::cancelled);
  EXPECT_FALSE(staying.get());
  EXPECT_EQ(image->passes(), (Passes{{1}, {5}}));
}

TEST(PassScheduler, AFailingPassFailsOnlyTheRequestsInIt) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base([](std::size_t pass) -> Result<void> {
    if (pass == 1) return fail(ErrorCode::device_failed, "as the test wants it");
    if (pass == 2) throw std::bad_alloc();
    return {};
  });
  image->hold();
  std::vector<std::future<std::optional<ErrorCode>>> asked;
  asked.push_back(bench.ask({0}));
  image->wait_for_passes(1);
  for (std::uint64_t number = 1; number <= 6; ++number) {
    asked.push_back(bench.ask_and_wait({number}));
  }
  image->release_all();
  std::vector<std::optional<ErrorCode>> codes;
  for (auto& one : asked) codes.push_back(one.get());
  const std::vector<std::optional<ErrorCode>> expected = {std::nullopt,
                                                          ErrorCode::device_failed,
                                                          ErrorCode::device_failed,
                                                          ErrorCode::out_of_memory,
                                                          ErrorCode::out_of_memory,
                                                          std::nullopt,
                                                          std::nullopt};
  EXPECT_EQ(codes, expected);
  EXPECT_EQ(bench.scheduler().statistics().failed_passes, 2U);
  EXPECT_EQ(bench.memory().left(), 1'000'000U);
}

TEST(PassScheduler, ClosedItLetsThePassEndAndBeginsNoOther) {
  SchedulerBench bench(limits_of(2));
  const auto image = bench.add_base();
  image->hold();
  auto in_pass = bench.ask({1});
  image->wait_for_passes(1);
  auto in_both = bench.ask_and_wait({2, 3, 4});  // one pass is not enough
  auto waiting = bench.ask_and_wait({5});
  image->release(1);
  image->wait_for_passes(2);
  EXPECT_FALSE(in_pass.get());
  auto too_late = bench.ask_and_wait({6});
  bench.scheduler().close();
  EXPECT_EQ(too_late.get(), ErrorCode::draining);
  EXPECT_EQ(code_of(bench.answer({7})), ErrorCode::draining);
  EXPECT_EQ(bench.scheduler().waiting(), 0U);
  image->release_all();
  EXPECT_FALSE(waiting.get()) << "its answer was in the pass under way";
  EXPECT_EQ(in_both.get(), ErrorCode::draining);
  EXPECT_EQ(image->passes(), (Passes{{1}, {2, 5}}));
}

TEST(PassScheduler, AfterAPassNobodyHoldsTheEpoch) {
  RetentionPolicy policy;
  policy.retain_epochs = 0;
  policy.retain_bases = 0;
  SchedulerBench bench(limits_of(8), policy);
  auto image = bench.add_base();
  image->hold();
  auto first = bench.ask({1});
  image->wait_for_passes(1);
  auto second = bench.ask_and_wait({2});
  auto third = bench.ask_and_wait({3});
  bench.add_base();
  const std::weak_ptr<const ScriptedImage> weak = image;
  image->release_all();
  image.reset();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  bench.retirer().drain();
  EXPECT_TRUE(weak.expired());
}

// Requests at random from many threads on epochs of two bases, at random moments.
RC_GTEST_PROP(PassScheduler, EveryQueryIsAnsweredOnceAndAsItself, ()) {
  struct Asked {
    Numbers numbers;
    std::size_t base;
    std::size_t batches;
    QueryKind kind;
    unsigned pause_us;
  };
  const SchedulerLimits limits{.pass = {.queries = *anywhere_in<std::size_t>(1, 12),
                                        .answer_bytes = *anywhere_in<std::uint64_t>(1, 400)},
                               .max_passes = *anywhere_in<std::size_t>(1, 3)};
  std::vector<std::vector<Asked>> plan(*anywhere_in<std::size_t>(2, 10));
  std::uint64_t number = 0;
  for (auto& requests : plan) {
    requests.resize(*anywhere_in<std::size_t>(1, 6));
    for (Asked& request : requests) {
      request.numbers.resize(*anywhere_in<int>(0, 4) == 0 ? *anywhere_in<std::size_t>(2, 40) : 1);
      std::iota(request.numbers.begin(), request.numbers.end(), number);
      number += request.numbers.size();
      request.base = *anywhere_in<std::size_t>(0, 2);
      request.batches = *anywhere_in<std::size_t>(0, 3);
      request.kind = *rc::gen::element(QueryKind::row, QueryKind::page);
      request.pause_us = *anywhere_in<unsigned>(0, 200);
    }
  }
  const auto pass_us = *anywhere_in<unsigned>(0, 300);
  const auto parts = *anywhere_in<std::size_t>(1, 5);

  SchedulerBench bench(limits);
  std::array<std::shared_ptr<const ScriptedImage>, 2> images;
  std::atomic<std::size_t> running = 0;
  std::atomic<std::size_t> most = 0;
  for (auto& image : images) {
    image = bench.add_base(
        [&](std::size_t) {
          const std::size_t now = ++running;
          for (std::size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::sleep_for(std::chrono::microseconds(pass_us));
          --running;
          return Result<void>{};
        },
        parts);
    bench.add_batch();
    bench.add_batch();
  }
  std::atomic<std::size_t> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (const auto& requests : plan) {
      threads.emplace_back([&] {
        for (const Asked& request : requests) {
          std::this_thread::sleep_for(std::chrono::microseconds(request.pause_us));
          const auto answered =
              bench.answer(request.numbers, bench.id(request.base, request.batches), request.kind);
          if (!answered || answered->bytes != bench.expected(request.numbers, request.base,
                                                             request.batches, request.kind)) {
            ++wrong;
          }
        }
      });
    }
  }
  RC_ASSERT(wrong == 0U);
  RC_ASSERT(most <= limits.max_passes);
  std::set<std::pair<std::uint64_t, std::size_t>> seen;  // queries and parts
  std::size_t parts_read = 0;
  for (const auto& image : images) {
    RC_ASSERT(image->most_at_once() <= 1U);
    const Passes passes = image->passes();
    for (std::size_t i = 0; i < passes.size(); ++i) {
      ++parts_read;
      RC_ASSERT(!passes[i].empty());
      RC_ASSERT(passes[i].size() <= limits.pass.queries);
      RC_ASSERT((image->answer_bytes()[i] <= limits.pass.answer_bytes || passes[i].size() == 1));
      for (const std::uint64_t one : passes[i]) {
        RC_ASSERT(seen.emplace(one, image->parts_read()[i]).second);
      }
    }
  }
  RC_ASSERT(seen.size() == number * parts);
  const PassStatistics statistics = bench.scheduler().statistics();
  RC_ASSERT(std::abs(statistics.passes * static_cast<double>(parts) -
                     static_cast<double>(parts_read)) < 1e-6);
  RC_ASSERT(statistics.queries == number);
  RC_ASSERT(bench.scheduler().waiting() == 0U);
  RC_ASSERT(bench.memory().left() == 1'000'000U);
}

// The same under deadlines that may pass, passes that may fail, a short queue and a close at some
// moment: each request ends, with its own answer or a documented error.
RC_GTEST_PROP(PassScheduler, WhateverHappensEveryRequestEnds, ()) {
  const SchedulerLimits limits{.pass = {.queries = *anywhere_in<std::size_t>(1, 6)},
                               .max_passes = *anywhere_in<std::size_t>(1, 3),
                               .max_waiting = *anywhere_in<std::size_t>(0, 8)};
  const auto failing = *anywhere_in<std::size_t>(1, 6);  // every so many passes
  const auto threads_count = *anywhere_in<std::size_t>(2, 10);
  const auto close_after_us = *anywhere_in<unsigned>(0, 6000);
  const auto patience_us = *anywhere_in<unsigned>(1, 2000);
  const auto parts = *anywhere_in<std::size_t>(1, 4);
  SchedulerBench bench(limits);
  for (int base = 0; base < 2; ++base) {
    bench.add_base(
        [&](std::size_t pass) -> Result<void> {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
          if (pass % failing == 0) return fail(ErrorCode::out_of_memory, "as the test wants it");
          return {};
        },
        parts);
  }
  std::atomic<std::size_t> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < threads_count; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < 8; ++i) {
          const std::size_t base = (thread + i) % 2;
          const Numbers numbers(1 + (thread + i) % 5, thread * 100 + i);
          const Deadline soon =
              std::chrono::steady_clock::now() + std::chrono::microseconds(patience_us);
          const auto answered = bench.answer(numbers, bench.id(base, 0), QueryKind::row, soon,
                                             soon + std::chrono::microseconds(patience_us));
          if (answered ? answered->bytes != bench.expected(numbers, base)
                       : answered.error().code != ErrorCode::queue_full &&
                             answered.error().code != ErrorCode::draining &&
                             answered.error().code != ErrorCode::out_of_memory) {
            ++wrong;
          }
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(close_after_us));
    bench.scheduler().close();
  }
  RC_ASSERT(wrong == 0U);
  RC_ASSERT(bench.scheduler().waiting() == 0U);
  RC_ASSERT(bench.memory().left() == 1'000'000U);
}

}  // namespace
}  // namespace gyre::server
