// Passes of several queries beside single queries and the plain read bandwidth of the same memory,
// measured in turns in the same run (see batch_measure.hpp).
//
// Names: KIND/rows:BYTES/mib:TABLE/threads:N/KERNEL/queries:N. The default grid takes minutes; each
// of its dimensions is a comma-separated list in the environment: GYRE_BENCH_ROW_BYTES,
// GYRE_BENCH_TABLE_MIB, GYRE_BENCH_THREADS (0: all), GYRE_BENCH_KERNELS (best: the fastest this CPU
// runs), GYRE_BENCH_QUERIES, GYRE_BENCH_KINDS (row, page). GYRE_BENCH_REPETITIONS: turns of a case.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

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

void register_cases() {
  static LastImage last;
  const auto repetitions = number_from_environment("GYRE_BENCH_REPETITIONS", 5);
  for (const auto& mib : numbers_from_environment("GYRE_BENCH_TABLE_MIB", {1024})) {
    for (const auto& row_bytes : numbers_from_environment("GYRE_BENCH_ROW_BYTES", {32, 36, 4096})) {
      for (const auto& threads : numbers_from_environment("GYRE_BENCH_THREADS", {0})) {
        for (const auto& kernel : words_from_environment("GYRE_BENCH_KERNELS", {"best"})) {
          for (const auto& kind : words_from_environment("GYRE_BENCH_KINDS", {"row"})) {
            for (const auto& queries :
                 numbers_from_environment("GYRE_BENCH_QUERIES", {1, 2, 8, 32, 128})) {
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
                            [one](benchmark::State& state) { measure(state, one, last); });
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, &gyre::bench::register_cases);
}
