// What keys cost: making a pair, and expanding one, by each kernel this processor runs.
//
// Arguments are levels; a key of n levels selects among 128 * 2^n records. Counters:
// bits_per_second, selection bits a thread makes a second; ns_per_leaf, the time of 128 of them.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/cpu_features.hpp"
#include "core/dpf/expand.hpp"
#include "core/dpf/expansion_kernel.hpp"
#include "core/dpf/generate.hpp"
#include "core/random_source.hpp"

namespace gyre::dpf {
namespace {

void generate_pair(benchmark::State& state) {
  const auto levels = static_cast<unsigned>(state.range(0));
  SystemRandom random;
  for ([[maybe_unused]] auto _ : state) {
    auto keys = generate(levels, 77, random);
    if (!keys) {
      state.SkipWithError("the operating system gave no random bytes");
      return;
    }
    benchmark::DoNotOptimize(keys->data());
  }
}

void expand_key(benchmark::State& state, std::string_view kernel_name) {
  const auto kernel = find_expansion_kernel(kernel_name);
  if (!kernel) {
    state.SkipWithError("this CPU lacks what the kernel needs");
    return;
  }
  const auto levels = static_cast<unsigned>(state.range(0));
  const std::uint64_t leaf_count = std::uint64_t{1} << levels;
  SystemRandom random;
  const auto keys = generate(levels, 77, random);
  if (!keys) {
    state.SkipWithError("the operating system gave no random bytes");
    return;
  }
  std::vector<Block> leaves(leaf_count);
  for ([[maybe_unused]] auto _ : state) {
    expand(**kernel, (*keys)[1], 0, leaves);
    benchmark::DoNotOptimize(leaves.data());
    benchmark::ClobberMemory();
  }
  const auto expanded = static_cast<double>(leaf_count) * static_cast<double>(state.iterations());
  state.counters["bits_per_second"] =
      benchmark::Counter(expanded * bits_per_leaf, benchmark::Counter::kIsRate);
  state.counters["time_per_leaf"] =
      benchmark::Counter(expanded, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK(generate_pair)->Arg(0)->Arg(18)->Arg(48);
BENCHMARK_CAPTURE(expand_key, vaes, "vaes")
    ->Arg(0)
    ->Arg(10)
    ->Arg(18)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(expand_key, vaes256, "vaes256")
    ->Arg(0)
    ->Arg(10)
    ->Arg(18)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(expand_key, aesni, "aesni")
    ->Arg(0)
    ->Arg(10)
    ->Arg(18)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(expand_key, portable, "portable")
    ->Arg(0)
    ->Arg(10)
    ->Arg(18)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gyre::dpf

BENCHMARK_MAIN();
