// What checking images costs while rows are staged: combining rows, and making the check's
// selection bits.
//
// The argument is the size of a row in bytes. bytes_per_second: rows combined by one thread.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/row_combinations.hpp"

namespace gyre {
namespace {

// As a snapshot's chunks come: they lie in no near cache when they are read the next time.
constexpr std::size_t piece_bytes = std::size_t{1} << 20U;
constexpr std::size_t pieces = 64;

void combine_rows(benchmark::State& state) {
  const auto row_bytes = static_cast<std::uint32_t>(state.range(0));
  const std::size_t rows = piece_bytes / row_bytes;
  std::vector<std::byte> table(pieces * rows * row_bytes);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::byte>(i * 31);
  auto combinations = RowCombinations::create(row_bytes, {.low = 0x1234, .high = 0x5678});
  if (!combinations) {
    state.SkipWithError("no memory");
    return;
  }
  std::size_t piece = 0;
  for ([[maybe_unused]] auto _ : state) {
    combinations->add(piece * rows,
                      std::span(table).subspan(piece * rows * row_bytes, rows * row_bytes));
    piece = (piece + 1) % pieces;
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(rows * row_bytes) *
                          static_cast<std::int64_t>(state.iterations()));
}

void make_masks(benchmark::State& state) {
  std::vector<std::uint64_t> masks(1U << 16U);
  const RowMasks source({.low = 0x1234, .high = 0x5678});
  for ([[maybe_unused]] auto _ : state) {
    source.fill(0, masks);
    benchmark::DoNotOptimize(masks.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(masks.size()) *
                          static_cast<std::int64_t>(state.iterations()));
}

BENCHMARK(combine_rows)
    ->Arg(4)
    ->Arg(32)
    ->Arg(36)
    ->Arg(64)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Arg(65536);
BENCHMARK(make_masks);

}  // namespace
}  // namespace gyre

BENCHMARK_MAIN();
