// Passes of several queries beside single queries and the plain read bandwidth of the same memory,
// measured in turns in the same run (see batch_measure.hpp).
//
// Names: KIND/rows:BYTES/mib:TABLE/threads:N/KERNEL/queries:N. The whole grid takes hours; as it
// comes, the suite measures cuts through it: every row size by every number of queries on 1 GiB
// with the fastest kernel, and from there other kernels, tables and numbers of threads. Where one
// of the dimensions is given as a comma-separated list in the environment, it measures the product
// of all lists instead: GYRE_BENCH_ROW_BYTES, GYRE_BENCH_TABLE_MIB, GYRE_BENCH_THREADS (0: all),
// GYRE_BENCH_KERNELS (best: the fastest this CPU runs), GYRE_BENCH_QUERIES, GYRE_BENCH_KINDS (row,
// page). GYRE_BENCH_REPETITIONS: turns of a case.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "backends/cpu/scan_kernel.hpp"
#include "core/cpu_features.hpp"
#include "harness/bench/batch_measure.hpp"
#include "harness/bench/environment.hpp"
#include "harness/bench/registered_cases.hpp"

namespace gyre::bench {
namespace {

struct Case {
  CpuBackendOptions backend;
  Geometry geometry;
  BatchPlan plan;
};

// The image of the case before, since cases that share one follow each other.
class LastImage {
 public:
  Result<std::shared_ptr<const Image>> get(const Case& wanted) {
    if (image_ == nullptr || options_.kernel != wanted.backend.kernel ||
        options_.threads != wanted.backend.threads || !(image_->geometry() == wanted.geometry)) {
      image_.reset();
      backend_.reset();
      auto backend = CpuBackend::create(wanted.backend);
      if (!backend) return forward_error(backend);
      backend_ = std::move(*backend);
      options_ = wanted.backend;
      auto image = make_synthetic_image(*backend_, wanted.geometry, wanted.plan.seed);
      if (!image) return forward_error(image);
      image_ = std::move(*image);
    }
    return image_;
  }

 private:
  CpuBackendOptions options_;
  std::unique_ptr<CpuBackend> backend_;
  std::shared_ptr<const Image> image_;
};

void measure(benchmark::State& state, const Case& one, LastImage& last) {
  while (state.KeepRunning()) {
    const auto image = last.get(one);
    if (!image) {
      state.SkipWithError(image.error().message.c_str());
      return;
    }
    const auto figures = measure_batch(**image, one.plan);
    if (!figures) {
      state.SkipWithError(figures.error().message.c_str());
      return;
    }
    state.SetIterationTime(figures->pass_seconds.median);
    state.counters["bytes_per_second"] = figures->scan_rate.median;
    state.counters["read_bytes_per_second"] = figures->read_rate.median;
    state.counters["queries_per_pass"] = static_cast<double>(one.plan.queries);
    state.counters["expansion_share"] = figures->expansion_share.median;
    state.counters["expansion_bits_per_thread_second"] = figures->bits_per_thread_second.median;
    add_spread(state, "ratio_to_read_bandwidth", figures->ratio_to_read);
    add_spread(state, "gain", figures->gain);
    add_spread(state, "gain_without_expansion", figures->gain_of_scan);
    state.counters["threads"] = figures->threads;
    state.SetLabel(figures->kernel + " scan, " + figures->expansion_kernel + " expansion, " +
                   figures->executor);
  }
}

// All cases that these lists make.
struct Grid {
  std::vector<std::uint64_t> mib = {1024};
  std::vector<std::uint64_t> row_bytes = {32, 36, 4096};
  std::vector<std::uint64_t> threads = {0};
  std::vector<std::string> kernels = {"best"};
  std::vector<std::string> kinds = {"row"};
  std::vector<std::uint64_t> queries = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
};

std::vector<Grid> cuts_through_the_grid() {
  Grid by_rows;
  by_rows.row_bytes = {32, 36, 64, 256, 4096};
  Grid by_pages;
  by_pages.row_bytes = {32, 36};
  by_pages.kinds = {"page"};
  Grid by_kernels;
  by_kernels.kernels.clear();
  for (const cpu::ScanKernel& kernel : cpu::scan_kernels()) {
    const bool runs = covers(cpu_features(), kernel.required);
    if (runs && kernel.name != cpu::best_scan_kernel(cpu_features()).name) {
      by_kernels.kernels.emplace_back(kernel.name);
    }
  }
  by_kernels.queries = {1, 8, 32, 128};
  Grid by_tables;
  by_tables.mib = {64, 256, 4096};
  by_tables.queries = {1, 8, 32, 128, 512};
  Grid by_threads;
  by_threads.threads = {1};
  by_threads.queries = {1, 8, 32, 128, 512};
  return {by_rows, by_pages, by_kernels, by_tables, by_threads};
}

std::optional<Grid> grid_from_environment() {
  if (said_in_environment("GYRE_BENCH_REPETITIONS").empty()) return std::nullopt;
  const Grid standard;
  return Grid{.mib = numbers_from_environment("GYRE_BENCH_TABLE_MIB", standard.mib),
              .row_bytes = numbers_from_environment("GYRE_BENCH_ROW_BYTES", standard.row_bytes),
              .threads = numbers_from_environment("GYRE_BENCH_THREADS", standard.threads),
              .kernels = words_from_environment("GYRE_BENCH_KERNELS", standard.kernels),
              .kinds = words_from_environment("GYRE_BENCH_KINDS", standard.kinds),
              .queries = numbers_from_environment("GYRE_BENCH_QUERIES", standard.queries)};
}

// Cases of one image one after another.
void register_grid(const Grid& grid, LastImage& last) {
  const auto repetitions = number_from_environment("GYRE_BENCH_REPETITIONS", 5);
  for (const auto& mib : grid.mib) {
    for (const auto& row_bytes : grid.row_bytes) {
      for (const auto& threads : grid.threads) {
        for (const auto& kernel : grid.kernels) {
          for (const auto& kind : grid.kinds) {
            for (const auto& queries : grid.queries) {
              Case one;
              one.backend.kernel = kernel == "best" ? "" : kernel;
              one.backend.threads = static_cast<unsigned>(threads);
              one.geometry = geometry_for(static_cast<std::uint32_t>(row_bytes), mib << 20U);
              one.plan.kind = kind == "page" ? QueryKind::page : QueryKind::row;
              one.plan.queries = queries;
              one.plan.repetitions = static_cast<unsigned>(repetitions);
              std::ostringstream name;
              name << kind << "/rows:" << row_bytes << "/mib:" << mib << "/threads:" << threads
                   << "/" << kernel << "/queries:" << queries;
              register_case(name.str(),
                            [one, &last](benchmark::State& state) { measure(state, one, last); });
            }
          }
        }
      }
    }
  }
}

void register_cases() {
  static LastImage last;
  if (const auto grid = grid_from_environment()) {
    register_grid(*grid, last);
  } else {
    for (const Grid& cut : cuts_through_the_grid()) register_grid(cut, last);
  }
}

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, &gyre::bench::register_cases);
}
