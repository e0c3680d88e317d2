// Executors on machines of several memory nodes, which are made up: each "node" has all processors
// of the machine, so that a caller always is on the first and nothing depends on where threads run.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "backends/cpu/core.hpp"
#include "backends/cpu/cpu_staging.hpp"
#include "backends/cpu/executor.hpp"
#include "core/dpf/expansion_kernel.hpp"
#include "tests/conformance/random_table.hpp"

namespace gyre::cpu {
namespace {

using Threads = std::set<std::thread::id>;

MemoryNodes made_up_nodes(unsigned count) {
  return MemoryNodes(std::vector<Processors>(count));
}

std::unique_ptr<Executor> executor_on(unsigned nodes, unsigned threads) {
  return make_pool_executor(threads, false, made_up_nodes(nodes)).value();
}

// Ends no sooner than all of them are at it.
class MeetingOf {
 public:
  explicit MeetingOf(std::size_t threads) : missing_(threads) {}
  void arrive_and_wait() {
    --missing_;
    while (missing_ > 0) std::this_thread::yield();
  }

 private:
  std::atomic<std::size_t> missing_;
};

// Runs as many tasks at once as the executor has threads, task i at home on homes[i]: which threads
// ran those of each node.
std::vector<Threads> meet(Executor& executor, const std::vector<unsigned>& homes,
                          OtherNodes others) {
  std::vector<Threads> threads(executor.nodes());
  std::mutex mutex;
  MeetingOf meeting(homes.size());
  const auto done = executor.parallel_for_at_home(
      homes.size(), [&](std::size_t task) { return homes[task]; }, others,
      [&](std::size_t task) {
        meeting.arrive_and_wait();
        const std::lock_guard lock(mutex);
        threads[homes[task]].insert(std::this_thread::get_id());
      });
  EXPECT_TRUE(done);
  return threads;
}

TEST(ExecutorOnNodes, RunsEveryTaskOnceWhereverItsHome) {
  for (const unsigned nodes : {1U, 2U, 3U, MemoryNodes::max_count}) {
    for (const unsigned threads : {1U, 2U, 5U}) {
      const auto executor = executor_on(nodes, threads);
      EXPECT_EQ(executor->nodes(), nodes);
      for (const std::size_t tasks : {0U, 1U, 2U, 7U, 1000U}) {
        for (const OtherNodes others : {OtherNodes::help, OtherNodes::stay_out}) {
          std::vector<int> runs(tasks, 0);  // plain: the caller reads them after
          ASSERT_TRUE(executor->parallel_for_at_home(
              tasks, [&](std::size_t task) { return node_of_part(task, tasks, nodes); }, others,
              [&](std::size_t task) { ++runs[task]; }));
          EXPECT_EQ(runs, std::vector<int>(tasks, 1));
          // In any order.
          ASSERT_TRUE(executor->parallel_for_at_home(
              tasks, [&](std::size_t task) { return static_cast<unsigned>(task * 7 % nodes); },
              others, [&](std::size_t task) { ++runs[task]; }));
          EXPECT_EQ(runs, std::vector<int>(tasks, 2));
        }
        std::vector<int> runs(tasks, 0);
        ASSERT_TRUE(executor->parallel_for(tasks, [&](std::size_t task) { ++runs[task]; }));
        EXPECT_EQ(runs, std::vector<int>(tasks, 1));
      }
    }
  }
}

TEST(ExecutorOnNodes, ThreadsTakeTheTasksOfTheirOwnNodeFirst) {
  const auto executor = executor_on(2, 4);
  const std::vector<unsigned> two_of_each = {0, 0, 1, 1};
  // Nobody else may run them, so this says who belongs where.
  const auto belonging = meet(*executor, two_of_each, OtherNodes::stay_out);
  ASSERT_EQ(belonging[0].size(), 2U);
  ASSERT_EQ(belonging[1].size(), 2U);
  EXPECT_TRUE(belonging[0].contains(std::this_thread::get_id()));
  for (int repetition = 0; repetition < 100; ++repetition) {
    // Each node has as many tasks as threads: none has a reason to help.
    EXPECT_EQ(meet(*executor, two_of_each, OtherNodes::help), belonging);
  }
}

TEST(ExecutorOnNodes, ThreadsHelpOtherNodesWhenTheirOwnHasNothingLeft) {
  const auto executor = executor_on(3, 4);
  for (const unsigned home : {0U, 1U, 2U}) {
    // All four threads are needed at once.
    const auto threads = meet(*executor, std::vector<unsigned>(4, home), OtherNodes::help);
    EXPECT_EQ(threads[home].size(), 4U);
  }
  // Tasks of no home are everybody's.
  MeetingOf meeting(4);
  EXPECT_TRUE(executor->parallel_for(4, [&](std::size_t) { meeting.arrive_and_wait(); }));
}

TEST(ExecutorOnNodes, NobodyElseTouchesFirstWhatBelongsToANode) {
  const auto executor = executor_on(2, 4);
  const auto belonging = meet(*executor, {0, 0, 1, 1}, OtherNodes::stay_out);
  Threads seen;
  std::mutex mutex;
  ASSERT_TRUE(executor->parallel_for_at_home(
      100, [](std::size_t) { return 1U; }, OtherNodes::stay_out,
      [&](std::size_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        const std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
      }));
  EXPECT_TRUE(std::includes(belonging[1].begin(), belonging[1].end(), seen.begin(), seen.end()));
}

TEST(ExecutorOnNodes, SomebodyRunsTheTasksOfANodeWithoutThreads) {
  const auto alone = executor_on(4, 1);
  std::size_t runs = 0;
  ASSERT_TRUE(alone->parallel_for_at_home(
      8, [](std::size_t task) { return node_of_part(task, 8, 4); }, OtherNodes::stay_out,
      [&](std::size_t) { ++runs; }));
  EXPECT_EQ(runs, 8U);
}

TEST(ExecutorOnNodes, WorkersStayOnTheProcessorsOfTheirNode) {
  const Processors all;
  if (all.count() < 2) GTEST_SKIP() << "one processor cannot be two nodes";
  std::vector<Processors> single;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE && single.size() < 2; ++cpu) {
    if (!all.has(cpu)) continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    single.emplace_back(set);
  }
  const MemoryNodes nodes(single);
  for (const bool pinned : {false, true}) {
    const auto executor = make_pool_executor(4, pinned, nodes).value();
    const auto caller = std::this_thread::get_id();
    std::vector<std::atomic<int>> bound_to(2);
    std::atomic<int> workers{0};
    MeetingOf meeting(4);
    ASSERT_TRUE(executor->parallel_for(4, [&](std::size_t) {
      meeting.arrive_and_wait();
      if (std::this_thread::get_id() == caller) return;
      cpu_set_t own;
      CPU_ZERO(&own);
      EXPECT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
      if (CPU_EQUAL(&own, &nodes.processors(0).set()) != 0) ++bound_to[0];
      if (CPU_EQUAL(&own, &nodes.processors(1).set()) != 0) ++bound_to[1];
      ++workers;
    }));
    // Places 1, 2 and 3 of 4 over two processors.
    EXPECT_EQ(workers, 3);
    EXPECT_EQ(bound_to[0], 1);
    EXPECT_EQ(bound_to[1], 2);
  }
}

TEST(ExecutorOnNodes, ServesSeveralCallersAtOnce) {
  const auto executor = executor_on(2, 3);
  constexpr std::size_t callers = 4;
  constexpr std::size_t tasks = 200;
  std::vector<std::atomic<std::size_t>> sums(callers);
  std::vector<std::thread> threads;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      for (int repetition = 0; repetition < 10; ++repetition) {
        const OtherNodes others = caller % 2 == 0 ? OtherNodes::help : OtherNodes::stay_out;
        EXPECT_TRUE(executor->parallel_for_at_home(
            tasks, [&](std::size_t task) { return node_of_part(task, tasks, 2); }, others,
            [&](std::size_t task) { sums[caller].fetch_add(task); }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& sum : sums) EXPECT_EQ(sum.load(), 10 * tasks * (tasks - 1) / 2);
}

// Runs tasks itself, one after the other, and looks at what it is told of their homes.
class WatchedExecutor final : public Executor {
 public:
  struct Call {
    OtherNodes others;
    std::vector<unsigned> homes;
  };

  [[nodiscard]] std::string_view name() const noexcept override { return "watched"; }
  [[nodiscard]] unsigned threads() const noexcept override { return 3; }
  [[nodiscard]] unsigned nodes() const noexcept override { return 3; }
  [[nodiscard]] Result<void> parallel_for(std::size_t tasks, TaskReference task) override {
    for (std::size_t i = 0; i < tasks; ++i) task(i);
    return {};
  }
  [[nodiscard]] Result<void> parallel_for_at_home(std::size_t tasks, HomeReference home,
                                                  OtherNodes others, TaskReference task) override {
    Call call{.others = others, .homes = {}};
    for (std::size_t i = 0; i < tasks; ++i) call.homes.push_back(home(i));
    for (const unsigned node : call.homes) EXPECT_LT(node, nodes());
    calls_.push_back(std::move(call));
    return parallel_for(tasks, task);
  }

  // Which homes tasks had since the last question, and whether others might help.
  [[nodiscard]] std::set<unsigned> homes_of_calls(OtherNodes others) {
    std::set<unsigned> homes;
    for (const Call& call : calls_) {
      if (call.others == others) homes.insert(call.homes.begin(), call.homes.end());
    }
    calls_.clear();
    return homes;
  }

 private:
  std::vector<Call> calls_;
};

std::shared_ptr<Core> core_on(std::unique_ptr<Executor> executor, PartBounds parts = {}) {
  return std::make_shared<Core>(scan_kernels().back(), dpf::best_expansion_kernel(),
                                std::move(executor), parts, std::uint64_t{1} << 30U);
}

Result<std::shared_ptr<const Image>> stage(const std::shared_ptr<Core>& core,
                                           const Geometry& geometry, const Bytes& rows) {
  auto staging = CpuStaging::create(core, geometry);
  if (!staging) return forward_error(staging);
  if (auto written = (*staging)->write(0, rows); !written) return forward_error(written);
  return (*staging)->seal();
}

// Three chunks, and a tail.
constexpr Geometry three_chunks{
    .rows = std::uint64_t{113} * 8 * 350 + 113 * 3, .row_bytes = 36, .rows_per_page = 113};

Bytes answers_of(const Image& image, std::span<const Query> queries) {
  const Pass pass{queries};
  Bytes answers(pass.answer_bytes(image.geometry()));
  EXPECT_TRUE(image.answer(pass, answers));
  return answers;
}

TEST(ImagesOnNodes, TellTheHomesOfWhatTheyTouchAndScan) {
  auto watched = std::make_unique<WatchedExecutor>();
  WatchedExecutor& executor = *watched;
  const auto core = core_on(std::move(watched));
  ASSERT_EQ(InterleavedLayout(three_chunks).chunks(), 3U);
  SeededRandom random(21);
  const Bytes rows = random_bytes(random, three_chunks.bytes());
  const std::set<unsigned> all = {0, 1, 2};

  const auto image = stage(core, three_chunks, rows).value();
  EXPECT_EQ(executor.homes_of_calls(OtherNodes::stay_out), all);

  const Overlay none;
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    const auto keys = dpf::generate(dpf::levels_for(three_chunks.records(kind)), 1, random).value();
    const std::vector<Query> queries(3, Query{.kind = kind, .key = keys.data(), .overlay = &none});
    const Bytes expected = expected_answer(three_chunks, rows, kind, keys[0]);
    EXPECT_TRUE(answers_of(*image, std::span(queries).first(1)) == expected);
    EXPECT_EQ(executor.homes_of_calls(OtherNodes::help), all);
    const Bytes batch = answers_of(*image, queries);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batch.begin()));
    EXPECT_EQ(executor.homes_of_calls(OtherNodes::help), all);
  }

  // Rows of the second and the third chunk.
  const auto overlay =
      Overlay{}
          .append(three_chunks,
                  {.seq = 1, .rows = {150'000, 300'000}, .differences = random_bytes(random, 72)})
          .value();
  const auto folded = image->with_updates(overlay).value();
  EXPECT_EQ(executor.homes_of_calls(OtherNodes::stay_out), (std::set<unsigned>{1, 2}));
  Bytes all_rows(three_chunks.bytes());
  ASSERT_TRUE(folded->read_rows(0, all_rows));
  EXPECT_TRUE(all_rows == updated_rows(three_chunks, rows, overlay));
}

// Whichever part a pass reads, the threads of all nodes have work near them.
TEST(ImagesOnNodes, HaveSomethingOfEveryPartOnEveryNode) {
  auto watched = std::make_unique<WatchedExecutor>();
  WatchedExecutor& executor = *watched;
  const auto core = core_on(std::move(watched), {.least_bytes = 1, .most_parts = 2});
  constexpr Geometry geometry{
      .rows = std::uint64_t{128} * 8 * 128 * 7, .row_bytes = 32, .rows_per_page = 128};
  ASSERT_EQ(InterleavedLayout(geometry).chunks(), 7U);
  SeededRandom random(23);
  const Bytes rows(geometry.bytes(), std::byte{0x5a});
  const auto image = stage(core, geometry, rows).value();
  ASSERT_EQ(image->parts(), 2U);
  const std::set<unsigned> all = {0, 1, 2};
  EXPECT_EQ(executor.homes_of_calls(OtherNodes::stay_out), all);
  const auto keys = dpf::generate(dpf::levels_for(geometry.rows), 1, random).value();
  const Overlay none;
  const std::vector<Query> queries(
      2, Query{.kind = QueryKind::row, .key = keys.data(), .overlay = &none});
  for (std::size_t part = 0; part < 2; ++part) {
    for (const std::size_t count : {1U, 2U}) {
      Bytes answers(count * geometry.row_bytes);
      ASSERT_TRUE(image->answer({std::span(queries).first(count), part}, answers));
      EXPECT_EQ(executor.homes_of_calls(OtherNodes::help), all);
    }
  }
}

TEST(ImagesOnNodes, AnswerRight) {
  SeededRandom random(22);
  const Bytes rows = random_bytes(random, three_chunks.bytes());
  const auto core = core_on(make_pool_executor(5, false, made_up_nodes(2)).value());
  const auto image = stage(core, three_chunks, rows).value();
  const Overlay overlay = random_overlay(three_chunks, 2, random);
  const Bytes updated = updated_rows(three_chunks, rows, overlay);
  const auto folded = image->with_updates(overlay).value();
  const Overlay none;
  for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
    const auto keys = dpf::generate(dpf::levels_for(three_chunks.records(kind)), 7, random).value();
    const Bytes one = expected_answer(three_chunks, updated, kind, keys[1]);
    Bytes expected;
    std::vector<Query> on_top;
    std::vector<Query> inside;
    for (int i = 0; i < 9; ++i) {
      expected.insert(expected.end(), one.begin(), one.end());
      on_top.push_back({.kind = kind, .key = &keys[1], .overlay = &overlay});
      inside.push_back({.kind = kind, .key = &keys[1], .overlay = &none});
    }
    EXPECT_TRUE(answers_of(*image, on_top) == expected);
    EXPECT_TRUE(answers_of(*folded, inside) == expected);
    EXPECT_TRUE(answers_of(*folded, std::span(inside).first(1)) == one);
  }
}

}  // namespace
}  // namespace gyre::cpu
