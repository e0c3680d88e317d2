#include "backends/cpu/executor.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace gyre::cpu {
namespace {

struct Kind {
  std::string name;
  Result<std::unique_ptr<Executor>> (*make)(unsigned threads, bool pinned);
};

class Executors : public testing::TestWithParam<Kind> {};

std::vector<Kind> kinds() {
  std::vector<Kind> all = {{"pool", &make_pool_executor}};
  if (has_tbb_executor()) all.push_back({"tbb", &make_tbb_executor});
  return all;
}

TEST_P(Executors, RunEveryTaskOnceAndWaitForAll) {
  for (const unsigned threads : {1U, 2U, 5U}) {
    auto executor = GetParam().make(threads, false);
    ASSERT_TRUE(executor) << executor.error().message;
    EXPECT_EQ((*executor)->threads(), threads);
    EXPECT_EQ((*executor)->name(), GetParam().name);
    for (const std::size_t tasks : {0U, 1U, 3U, 1000U}) {
      std::vector<int> runs(tasks,
                            0);  // plain: each task writes its own, the caller reads them after
      ASSERT_TRUE((*executor)->parallel_for(tasks, [&](std::size_t task) { ++runs[task]; }));
      EXPECT_EQ(runs, std::vector<int>(tasks, 1));
    }
  }
}

// Processors that the calling thread may run on.
int processors_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  return CPU_COUNT(&set);
}

TEST_P(Executors, KeepWorkersOnOneProcessorWhereThatIsAskedForAndLeaveTheCaller) {
  const int all = processors_of_this_thread();
  for (const bool pinned : {false, true}) {
    auto executor = GetParam().make(3, pinned);
    ASSERT_TRUE(executor) << executor.error().message;
    const auto caller = std::this_thread::get_id();
    std::atomic<int> most_of_a_worker{0};
    std::atomic<int> least_of_a_worker{all};
    std::atomic<bool> worker_seen{false};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!worker_seen && std::chrono::steady_clock::now() < deadline) {
      ASSERT_TRUE((*executor)->parallel_for(64, [&](std::size_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        if (std::this_thread::get_id() == caller) return;
        const int processors = processors_of_this_thread();
        if (processors > most_of_a_worker) most_of_a_worker = processors;
        if (processors < least_of_a_worker) least_of_a_worker = processors;
        worker_seen = true;
      }));
    }
    ASSERT_TRUE(worker_seen);
    EXPECT_EQ(most_of_a_worker, pinned ? 1 : all);
    EXPECT_EQ(least_of_a_worker, pinned ? 1 : all);
    EXPECT_EQ(processors_of_this_thread(), all);
  }
}

TEST_P(Executors, ServeSeveralCallersAtOnce) {
  auto executor = GetParam().make(3, false);
  ASSERT_TRUE(executor) << executor.error().message;
  constexpr std::size_t callers = 4;
  constexpr std::size_t tasks = 200;
  std::vector<std::atomic<std::size_t>> sums(callers);
  std::vector<std::thread> threads;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      for (int repetition = 0; repetition < 10; ++repetition) {
        const auto done = (*executor)->parallel_for(
            tasks, [&](std::size_t task) { sums[caller].fetch_add(task); });
        EXPECT_TRUE(done);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& sum : sums) EXPECT_EQ(sum.load(), 10 * tasks * (tasks - 1) / 2);
}

TEST_P(Executors, UseMoreThanTheCallersThread) {
  auto executor = GetParam().make(2, false);
  ASSERT_TRUE(executor) << executor.error().message;
  // Each of two tasks waits for the other: with one thread alone this would never end.
  std::atomic<int> arrived{0};
  const auto done = (*executor)->parallel_for(2, [&](std::size_t) {
    arrived.fetch_add(1);
    while (arrived.load() < 2) std::this_thread::yield();
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(arrived.load(), 2);
}

INSTANTIATE_TEST_SUITE_P(All, Executors, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST(TbbExecutor, IsMadeOrRefusedAsTheBuildSays) {
  const auto made = make_tbb_executor(1);
  EXPECT_EQ(made.has_value(), has_tbb_executor());
  if (!made) {
    EXPECT_EQ(made.error().code, ErrorCode::bad_configuration);
  }
}

TEST(AvailableThreads, AreAtLeastOne) {
  EXPECT_GE(available_threads(), 1U);
  EXPECT_LE(available_threads(), max_threads);
}

}  // namespace
}  // namespace gyre::cpu
