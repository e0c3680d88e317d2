// What a fault point costs (`./dev bench . faults` runs it in both kinds of builds): the same loop
// without one, with one that nobody armed, and, in builds that have points, while a plan watches
// them. In a build without points the first two are one and the same code.
#include <benchmark/benchmark.h>

#include <cstdint>

#include "core/error.hpp"
#include "core/fault_point.hpp"

namespace gyre {
namespace {

// Out of line, as the functions are that have points.
[[gnu::noinline]] Result<std::uint64_t> step(std::uint64_t x) {
  return x * 0x9e37'79b9'7f4a'7c15U + 1;
}

[[gnu::noinline]] Result<std::uint64_t> step_with_point(std::uint64_t x) {
  GYRE_FAULT_POINT(query_lease);
  return x * 0x9e37'79b9'7f4a'7c15U + 1;
}

template <auto function>
void run(benchmark::State& state) {
  std::uint64_t x = 1;
  for (auto _ : state) {
    x = function(x).value_or(0);
    benchmark::DoNotOptimize(x);
  }
}

void without_point(benchmark::State& state) {
  run<step>(state);
}

void with_point(benchmark::State& state) {
  run<step_with_point>(state);
}

constexpr int repetitions = 5;
BENCHMARK(without_point)->Repetitions(repetitions);
BENCHMARK(with_point)->Repetitions(repetitions);

#if defined(GYRE_FAULT_POINTS)
void with_point_and_hook(benchmark::State& state) {
  set_fault_hook([](FaultPoint) { return std::optional<Error>(); });
  run<step_with_point>(state);
  set_fault_hook(nullptr);
}
BENCHMARK(with_point_and_hook)->Repetitions(repetitions);
#endif

}  // namespace
}  // namespace gyre

BENCHMARK_MAIN();
