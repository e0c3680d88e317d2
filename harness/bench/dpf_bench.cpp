// What keys cost: making a pair, and expanding one, by each kernel this processor runs.
// The kernel aesni is the BASELINE that the others are held against: AES-NI with eight blocks in
// flight, as published libraries have it.
//
// expand_in_blocks expands what a batch's scan wants: for many keys, blocks of 512 leaves below
// subtrees made once for 32,768 (its argument is the number of keys).
//
// Other arguments are levels; a key of n levels selects among 128 * 2^n records. Counters:
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

void expand_in_blocks(benchmark::State& state, std::string_view kernel_name) {
  const auto kernel = find_expansion_kernel(kernel_name);
  if (!kernel) {
    state.SkipWithError("this CPU lacks what the kernel needs");
    return;
  }
  constexpr unsigned levels = 18;
  constexpr std::uint64_t range = 32'768;
  constexpr std::uint64_t block = 512;
  const auto keys = static_cast<std::size_t>(state.range(0));
  SystemRandom random;
  std::vector<KeyTree> trees;
  for (std::size_t i = 0; i < keys; ++i) {
    const auto pair = generate(levels, 77 * i, random);
    if (!pair) {
      state.SkipWithError("the operating system gave no random bytes");
      return;
    }
    trees.emplace_back(**kernel, (*pair)[i % 2]);
  }
  const std::uint64_t subtrees = KeyTree::subtrees_above(range);
  std::vector<Block> roots(keys * subtrees);
  std::vector<Block> leaves(keys * (block + 4));
  for ([[maybe_unused]] auto _ : state) {
    for (std::size_t key = 0; key < keys; ++key) {
      trees[key].expand_subtrees(range, range, roots.data() + key * subtrees);
    }
    for (std::uint64_t at = range; at < 2 * range; at += block) {
      for (std::size_t key = 0; key < keys; ++key) {
        trees[key].expand_below(roots.data() + key * subtrees, range, at,
                                {leaves.data() + key * (block + 4), block});
      }
      benchmark::ClobberMemory();
    }
  }
  const auto expanded = static_cast<double>(keys * range) * static_cast<double>(state.iterations());
  state.counters["bits_per_second"] =
      benchmark::Counter(expanded * bits_per_leaf, benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(expand_in_blocks, vaes, "vaes")->Arg(1)->Arg(128)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(expand_in_blocks, vaes256, "vaes256")
    ->Arg(1)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(expand_in_blocks, aesni, "aesni")
    ->Arg(1)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond);
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
