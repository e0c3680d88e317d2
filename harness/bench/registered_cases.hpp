// What the suites share whose cases are made at run time.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "harness/bench/environment.hpp"
#include "harness/bench/measure.hpp"

namespace gyre::bench {

// The counters NAME, NAME_lowest and NAME_highest, which `gyre compare` takes for one figure.
inline void add_spread(benchmark::State& state, const std::string& name, const Spread& spread) {
  state.counters[name] = spread.median;
  state.counters[name + "_lowest"] = spread.lowest;
  state.counters[name + "_highest"] = spread.highest;
}

// A case that measures itself: `measure` runs once, repeats what it measures as often as it wants
// and sets the iteration's time.
template <typename Measure>
void register_case(const std::string& name, const Measure& measure) {
  benchmark::RegisterBenchmark(name.c_str(), measure)
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

// The main program of such a suite; returns its exit status.
inline int run_registered(int argc, char** argv, void (*register_cases)()) {
  benchmark::Initialize(&argc, argv);
  for (const auto& [name, value] : said_in_environment()) {
    benchmark::AddCustomContext(name, value);
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_cases();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace gyre::bench
