// Bringing rows into the resident layout beside a memcpy of the same rows by the same threads, both
// into memory just mapped, in turns in the same run.
//
// Names: staging/rows:BYTES/KERNEL. ratio_to_memcpy: rate of staging over that of the copy; the
// other ratio is to reading what was staged.
// GYRE_BENCH_TABLE_MIB, GYRE_BENCH_ROW_BYTES, GYRE_BENCH_KERNELS, GYRE_BENCH_REPETITIONS as in the
// suite batch.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/cpu_image.hpp"
#include "core/elapsed.hpp"
#include "harness/bench/environment.hpp"
#include "harness/bench/measure.hpp"
#include "harness/bench/read_bandwidth.hpp"
#include "harness/bench/registered_cases.hpp"

namespace gyre::bench {
namespace {

using Clock = std::chrono::steady_clock;

// As chunks of a snapshot come.
constexpr std::uint64_t piece_bytes = std::uint64_t{16} << 20U;
constexpr std::uint64_t copied_at_once = std::uint64_t{1} << 20U;

double copy_seconds(cpu::Executor& executor, const std::vector<std::byte>& rows) {
  cpu::MemoryAccount account(~std::uint64_t{0});
  const auto start = Clock::now();
  auto target = cpu::HugeBuffer::allocate(rows.size(), account);
  if (!target) return 0;
  const auto done = executor.parallel_for(
      (rows.size() + copied_at_once - 1) / copied_at_once, [&](std::size_t task) {
        const std::uint64_t at = task * copied_at_once;
        std::memcpy(target->data() + at, rows.data() + at,
                    std::min<std::uint64_t>(copied_at_once, rows.size() - at));
      });
  return done ? seconds_since(start) : 0;
}

Result<std::shared_ptr<const Image>> stage(Backend& backend, const Geometry& geometry,
                                           const std::vector<std::byte>& rows) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  const std::uint64_t rows_a_piece = piece_bytes / geometry.row_bytes;
  for (std::uint64_t row = 0; row < geometry.rows; row += rows_a_piece) {
    const std::uint64_t count = std::min(rows_a_piece, geometry.rows - row);
    const std::span<const std::byte> piece(rows.data() + row * geometry.row_bytes,
                                           count * geometry.row_bytes);
    if (auto written = (*staging)->write(row, piece); !written) return forward_error(written);
  }
  return (*staging)->seal();
}

void measure(benchmark::State& state, std::uint32_t row_bytes, const std::string& kernel) {
  const Geometry geometry =
      geometry_for(row_bytes, number_from_environment("GYRE_BENCH_TABLE_MIB", 1024) << 20U);
  const auto backend = CpuBackend::create({.kernel = kernel == "best" ? "" : kernel});
  if (!backend) {
    state.SkipWithError(backend.error().message.c_str());
    return;
  }
  std::vector<std::byte> rows(geometry.bytes());
  fill_synthetic(1, 0, rows);
  while (state.KeepRunning()) {
    std::vector<double> seconds;
    std::vector<double> ratios;
    std::vector<double> read_ratios;
    for (std::uint64_t i = 0; i < number_from_environment("GYRE_BENCH_REPETITIONS", 5); ++i) {
      const auto start = Clock::now();
      const auto image = stage(**backend, geometry, rows);
      seconds.push_back(seconds_since(start));
      const auto* const cpu_image =
          image ? dynamic_cast<const cpu::CpuImage*>(image->get()) : nullptr;
      if (cpu_image == nullptr) {
        state.SkipWithError("the rows could not be staged");
        return;
      }
      ratios.push_back(copy_seconds(cpu_image->executor(), rows) / seconds.back());
      const auto read_start = Clock::now();
      if (!read_all(cpu_image->executor(), cpu_image->resident_bytes())) {
        state.SkipWithError("the image could not be read");
        return;
      }
      read_ratios.push_back(seconds_since(read_start) / seconds.back());
    }
    const Spread time = spread_of(seconds);
    state.SetIterationTime(time.median);
    state.counters["bytes_per_second"] = static_cast<double>(geometry.bytes()) / time.median;
    add_spread(state, "ratio_to_memcpy", spread_of(ratios));
    add_spread(state, "ratio_to_read_bandwidth", spread_of(read_ratios));
    state.counters["threads"] = (*backend)->threads();
    state.SetLabel(std::string((*backend)->kernel()));
  }
}

void register_cases() {
  for (const auto& row_bytes : numbers_from_environment("GYRE_BENCH_ROW_BYTES", {32, 36, 4096})) {
    for (const auto& kernel : words_from_environment("GYRE_BENCH_KERNELS", {"best"})) {
      const std::string name = "staging/rows:" + std::to_string(row_bytes) + "/" + kernel;
      register_case(name, [row_bytes, kernel](benchmark::State& state) {
        measure(state, static_cast<std::uint32_t>(row_bytes), kernel);
      });
    }
  }
}

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, &gyre::bench::register_cases);
}
