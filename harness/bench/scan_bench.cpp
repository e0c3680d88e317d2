// Single-query scans over 1 GiB beside the plain read bandwidth of the same memory, measured in the
// same run.
//
// Each case is measured once, as one iteration that repeats read and scan in pairs (see
// measure.hpp); its time is the median scan time. GYRE_BENCH_TABLE_MIB sets the table's size,
// GYRE_BENCH_REPETITIONS the pairs.
#include <benchmark/benchmark.h>

#include <string>

#include "harness/bench/environment.hpp"
#include "harness/bench/measure.hpp"
#include "harness/bench/registered_cases.hpp"

namespace gyre::bench {
namespace {

void scan(benchmark::State& state, const std::string& kernel, std::uint32_t row_bytes,
          QueryKind kind) {
  ScanPlan plan;
  plan.geometry =
      geometry_for(row_bytes, number_from_environment("GYRE_BENCH_TABLE_MIB", 1024) << 20U);
  plan.kind = kind;
  plan.backend.kernel = kernel;
  plan.repetitions = static_cast<unsigned>(number_from_environment("GYRE_BENCH_REPETITIONS", 21));
  while (state.KeepRunning()) {
    const auto figures = measure_single_query_scan(plan);
    if (!figures) {
      state.SkipWithError(figures.error().message.c_str());
      return;
    }
    const double scan_bytes_per_second = figures->scan_gb_per_second.median * 1e9;
    state.SetIterationTime(static_cast<double>(figures->table_bytes) / scan_bytes_per_second);
    state.counters["bytes_per_second"] = scan_bytes_per_second;
    state.counters["read_bytes_per_second"] = figures->read_gb_per_second.median * 1e9;
    state.counters["queries_per_pass"] = 1;
    add_spread(state, "ratio_to_read_bandwidth", figures->ratio);
    state.counters["expansion_ms"] = figures->expansion_seconds.median * 1e3;
    state.counters["expansion_share"] = figures->expansion_share;
    state.counters["staging_s"] = figures->staging_seconds;
    state.counters["threads"] = figures->threads;
    state.SetLabel(figures->kernel + " scan, " + figures->expansion_kernel + " expansion, " +
                   figures->executor);
  }
}

// A kernel that this CPU cannot run is reported as an error, never replaced.
#define GYRE_SCAN_CASE(kind, row_bytes, kernel)                                              \
  BENCHMARK_CAPTURE(scan, kind##_query_##row_bytes##_byte_rows_##kernel, #kernel, row_bytes, \
                    QueryKind::kind)                                                         \
      ->UseManualTime()                                                                      \
      ->Iterations(1)                                                                        \
      ->Unit(benchmark::kMillisecond)
#define GYRE_SCAN_CASES(kernel)     \
  GYRE_SCAN_CASE(row, 32, kernel);  \
  GYRE_SCAN_CASE(row, 36, kernel);  \
  GYRE_SCAN_CASE(page, 32, kernel); \
  GYRE_SCAN_CASE(page, 36, kernel)

#if defined(__x86_64__)
GYRE_SCAN_CASES(avx512gfni);
GYRE_SCAN_CASES(avx512);
GYRE_SCAN_CASES(avx2);
#endif
GYRE_SCAN_CASES(portable);

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, [] {});  // all cases are above
}
