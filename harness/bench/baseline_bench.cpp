// BASELINES from the literature over a row-major table, by all threads, beside the plain read of
// the same memory: what Gyre's own figures (suites scan and batch) are to be held against.
//
// Names: baseline/NAME/rows:BYTES. gain: queries a second over those of masked_xor, measured in
// turns in the same run. GYRE_BENCH_TABLE_MIB, GYRE_BENCH_ROW_BYTES, GYRE_BENCH_REPETITIONS as in
// the suite batch.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cpu/executor.hpp"
#include "core/elapsed.hpp"
#include "core/random_source.hpp"
#include "harness/bench/baselines.hpp"
#include "harness/bench/environment.hpp"
#include "harness/bench/measure.hpp"
#include "harness/bench/read_bandwidth.hpp"
#include "harness/bench/registered_cases.hpp"

namespace gyre::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Rows of one task, a multiple of 8.
constexpr std::size_t rows_per_task = 32'768;

struct Table {
  Geometry geometry;
  std::vector<std::uint8_t> rows;
  std::vector<std::vector<std::uint8_t>> bits;  // of 16 queries
};

Table make_table(std::uint32_t row_bytes, std::uint64_t table_bytes) {
  Table table;
  table.geometry = geometry_for(row_bytes, table_bytes);
  table.geometry.rows -= table.geometry.rows % 8;
  table.rows.resize(table.geometry.bytes());
  fill_synthetic(1, 0, std::as_writable_bytes(std::span(table.rows)));
  SystemRandom random;
  for (std::size_t q = 0; q < 16; ++q) {
    auto& bits = table.bits.emplace_back(table.geometry.rows / 8);
    if (!random.fill(std::as_writable_bytes(std::span(bits)))) bits.assign(bits.size(), 0x5a);
  }
  return table;
}

// Seconds that a pass of the baseline's queries takes.
double pass_seconds(cpu::Executor& executor, const Table& table, const Baseline& baseline) {
  const std::size_t row_bytes = table.geometry.row_bytes;
  const std::size_t rows = table.geometry.rows;
  std::vector<const std::uint8_t*> bits;
  for (std::size_t q = 0; q < baseline.queries; ++q) bits.push_back(table.bits[q].data());
  std::vector<std::uint8_t> answers(baseline.queries * row_bytes);
  std::mutex mutex;
  const auto start = Clock::now();
  const auto done =
      executor.parallel_for((rows + rows_per_task - 1) / rows_per_task, [&](std::size_t task) {
        const std::size_t first = task * rows_per_task;
        std::vector<std::uint8_t> sums(answers.size());
        baseline.scan(table.rows.data() + first * row_bytes, row_bytes,
                      std::min(rows_per_task, rows - first), bits.data(), first, sums.data());
        const std::lock_guard lock(mutex);
        for (std::size_t i = 0; i < sums.size(); ++i) {
          answers[i] = static_cast<std::uint8_t>(answers[i] ^ sums[i]);
        }
      });
  benchmark::DoNotOptimize(answers.data());
  return done ? seconds_since(start) : 0;
}

void measure(benchmark::State& state, const Table& table, const Baseline& baseline) {
  auto executor = cpu::has_tbb_executor() ? cpu::make_tbb_executor(cpu::available_threads())
                                          : cpu::make_pool_executor(cpu::available_threads());
  if (!executor) {
    state.SkipWithError(executor.error().message.c_str());
    return;
  }
  const std::vector<std::span<const std::uint8_t>> memory = {table.rows};
  const auto bytes = static_cast<double>(table.geometry.bytes());
  const auto queries = static_cast<double>(baseline.queries);
  while (state.KeepRunning()) {
    std::vector<double> seconds;
    std::vector<double> ratios;
    std::vector<double> gains;
    for (std::uint64_t i = 0; i < number_from_environment("GYRE_BENCH_REPETITIONS", 5); ++i) {
      const auto read_start = Clock::now();
      if (!read_all(**executor, memory)) state.SkipWithError("the table could not be read");
      const double read = seconds_since(read_start);
      const double one = pass_seconds(**executor, table, baselines[0]);
      const double pass = pass_seconds(**executor, table, baseline);
      seconds.push_back(pass);
      ratios.push_back(queries * read / pass);
      gains.push_back(queries * one / pass);
    }
    const Spread time = spread_of(seconds);
    state.SetIterationTime(time.median);
    state.counters["bytes_per_second"] = queries * bytes / time.median;
    state.counters["queries_per_pass"] = queries;
    add_spread(state, "ratio_to_read_bandwidth", spread_of(ratios));
    add_spread(state, "gain", spread_of(gains));
    state.counters["threads"] = (*executor)->threads();
    state.SetLabel(std::string("BASELINE, row-major") + (baseline.secure ? "" : ", INSECURE"));
  }
}

void register_cases() {
  const std::uint64_t mib = number_from_environment("GYRE_BENCH_TABLE_MIB", 1024);
  for (const auto& row_bytes : numbers_from_environment("GYRE_BENCH_ROW_BYTES", {32, 36, 4096})) {
    for (const Baseline& baseline : baselines) {
      const std::string name =
          std::string("baseline/") + baseline.name + "/rows:" + std::to_string(row_bytes);
      register_case(name, [row_bytes, mib, &baseline](benchmark::State& state) {
        // One table at a time, shared by the cases that follow each other.
        static Table table;
        if (table.geometry.row_bytes != row_bytes) {
          table = Table{};
          table = make_table(static_cast<std::uint32_t>(row_bytes), mib << 20U);
        }
        measure(state, table, baseline);
      });
    }
  }
}

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, &gyre::bench::register_cases);
}
