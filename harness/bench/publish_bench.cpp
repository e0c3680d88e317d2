// What publishing a batch of updates costs, from its decoded rows to the moment that queries see
// it: the same on a table of any size.
//
// The argument is the size of the table in MiB. p50, p99 and max are of one batch of 1,000 rows.
// compact has also the number of batches that it folds in, pass_with_overlay that of batches which
// 128 queries find on top of the image.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "core/dpf/generate.hpp"
#include "core/elapsed.hpp"
#include "core/epoch_writer.hpp"
#include "core/random_source.hpp"
#include "core/retirer.hpp"
#include "harness/crypto/sha256.hpp"

namespace gyre {
namespace {

constexpr std::uint32_t row_bytes = 32;
constexpr std::uint32_t rows_per_page = 128;
constexpr std::size_t batch_rows = 1000;
// As many as fit the default overlay without being folded, which is no part of publishing.
constexpr std::int64_t batches = 250;

// The finalizer of SplitMix64: numbers that look random and are the same in every run.
std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

Result<std::shared_ptr<const Image>> make_image(CpuBackend& backend, const Geometry& geometry) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  std::vector<std::byte> piece(std::size_t{1} << 20U);
  const std::uint64_t rows = piece.size() / row_bytes;
  for (std::uint64_t first = 0; first < geometry.rows; first += rows) {
    for (std::size_t i = 0; i < piece.size(); i += row_bytes) {
      piece[i] = static_cast<std::byte>(mixed(first + i));
    }
    if (auto written = (*staging)->write(first, piece); !written) return forward_error(written);
  }
  return (*staging)->seal();
}

// Rows all over the table, other ones in each batch.
UpdateBatch make_batch(std::uint64_t seq, std::uint64_t table_rows) {
  std::set<std::uint64_t> rows;
  for (std::uint64_t i = 0; rows.size() < batch_rows; ++i) {
    rows.insert(mixed(seq << 32U | i) % table_rows);
  }
  TableUpdate part{{}, {rows.begin(), rows.end()}, std::vector<std::byte>(batch_rows * row_bytes)};
  for (std::size_t i = 0; i < part.data.size(); ++i) {
    part.data[i] = static_cast<std::byte>(mixed(seq + i));
  }
  return {seq, {std::move(part)}};
}

// A server's epochs on one image.
struct Epochs {
  Retirer retirer;
  EpochTable table{"bench", RetentionPolicy{}, retirer};
  EpochWriter writer{table, crypto::sha256, WriterLimits{}};

  Result<void> install(std::shared_ptr<const Image> image) {
    EpochWriter::Base base;
    base.metadata.geometry = image->geometry();
    base.images.push_back(std::move(image));
    auto lock = writer.lock_rotation(std::chrono::milliseconds(0));
    if (!lock) return forward_error(lock);
    auto installed = writer.install(*lock, std::move(base), false);
    if (!installed) return forward_error(installed);
    return {};
  }
  // What is current after so many batches.
  Result<Lease> with_batches(std::uint64_t count, std::uint64_t table_rows) {
    for (std::uint64_t seq = 1; seq <= count; ++seq) {
      if (auto applied = writer.apply(make_batch(seq, table_rows)); !applied) {
        return forward_error(applied);
      }
    }
    return table.lease(CurrentEpoch{});
  }
};

// A table of that many MiB, served.
struct Served {
  explicit Served(std::uint64_t bytes) : geometry{bytes / row_bytes, row_bytes, rows_per_page} {}

  [[nodiscard]] static Result<std::unique_ptr<Served>> start(std::int64_t mib) {
    auto served = std::make_unique<Served>(static_cast<std::uint64_t>(mib) << 20U);
    auto backend = CpuBackend::create({});
    if (!backend) return forward_error(backend);
    served->backend = std::move(*backend);
    auto image = make_image(*served->backend, served->geometry);
    if (!image) return forward_error(image);
    served->image = *image;
    if (auto done = served->epochs.install(std::move(*image)); !done) return forward_error(done);
    return served;
  }

  Geometry geometry;
  std::unique_ptr<CpuBackend> backend;
  std::shared_ptr<const Image> image;
  Epochs epochs;
};

void publish_batch(benchmark::State& state) {
  const auto served = Served::start(state.range(0));
  if (!served) return state.SkipWithError(served.error().message.c_str());
  Epochs& epochs = (*served)->epochs;
  const Geometry& geometry = (*served)->geometry;
  std::vector<double> seconds;
  std::uint64_t seq = 0;
  for ([[maybe_unused]] auto _ : state) {
    const UpdateBatch batch = make_batch(++seq, geometry.rows);
    const auto begun = std::chrono::steady_clock::now();
    auto applied = epochs.writer.apply(batch);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    if (!applied) {
      state.SkipWithError(applied.error().message.c_str());
      break;
    }
    seconds.push_back(took.count());
    state.SetIterationTime(took.count());
  }
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double share) {
    return seconds[static_cast<std::size_t>(share * static_cast<double>(seconds.size() - 1))];
  };
  if (seconds.empty()) return;
  state.counters["p50"] = at(0.5);
  state.counters["p99"] = at(0.99);
  state.counters["max"] = at(1);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch_rows));
}

// What folding the overlay of so many batches into a new image costs: the compactor's work, by one
// thread beside the queries. Copies whole chunks, so it is held against a copy of the table.
void compact(benchmark::State& state) {
  const auto served = Served::start(state.range(0));
  if (!served) return state.SkipWithError(served.error().message.c_str());
  Epochs& epochs = (*served)->epochs;
  const Geometry& geometry = (*served)->geometry;
  const auto lease = epochs.with_batches(static_cast<std::uint64_t>(state.range(1)), geometry.rows);
  if (!lease) return state.SkipWithError(lease.error().message.c_str());
  const Overlay& overlay = lease->epoch().overlay;
  const std::vector<std::byte> rows(geometry.bytes());
  cpu::MemoryAccount account(~std::uint64_t{0});
  double copied_seconds = 0;
  double folded_seconds = 0;
  for ([[maybe_unused]] auto _ : state) {
    auto begun = std::chrono::steady_clock::now();
    auto updated = (*served)->image->with_updates(overlay);
    const double took = seconds_since(begun);
    if (!updated) {
      state.SkipWithError(updated.error().message.c_str());
      break;
    }
    updated->reset();
    folded_seconds += took;
    state.SetIterationTime(took);
    begun = std::chrono::steady_clock::now();
    auto copy = cpu::HugeBuffer::allocate(rows.size(), account);
    if (!copy) {
      state.SkipWithError(copy.error().message.c_str());
      break;
    }
    std::memcpy(copy->data(), rows.data(), rows.size());
    copied_seconds += seconds_since(begun);
  }
  state.counters["rate_over_a_copy"] = folded_seconds > 0 ? copied_seconds / folded_seconds : 0;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(geometry.bytes()));
}

// A pass of 128 row queries over an image with that many batches on top, in turns with one over the
// image alone.
void pass_with_overlay(benchmark::State& state) {
  constexpr std::size_t queries_count = 128;
  const auto served = Served::start(state.range(0));
  if (!served) return state.SkipWithError(served.error().message.c_str());
  const Geometry& geometry = (*served)->geometry;
  const auto lease =
      (*served)->epochs.with_batches(static_cast<std::uint64_t>(state.range(1)), geometry.rows);
  if (!lease) return state.SkipWithError(lease.error().message.c_str());
  SystemRandom random;
  std::vector<dpf::Key> keys;
  for (std::size_t i = 0; i < queries_count; ++i) {
    auto pair = dpf::generate(dpf::levels_for(geometry.rows), mixed(i) % geometry.rows, random);
    if (!pair) return state.SkipWithError(pair.error().message.c_str());
    keys.push_back(std::move((*pair)[i % 2]));
  }
  const Overlay none;
  std::vector<std::byte> answers(queries_count * geometry.row_bytes);
  double alone_seconds = 0;
  double all_seconds = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (const Overlay* overlay : {&none, &lease->epoch().overlay}) {
      std::vector<Query> queries;
      queries.reserve(keys.size());
      for (const dpf::Key& key : keys) {
        queries.push_back({.kind = QueryKind::row, .key = &key, .overlay = overlay});
      }
      const auto begun = std::chrono::steady_clock::now();
      if (auto answered = (*served)->image->answer({queries}, answers); !answered) {
        return state.SkipWithError(answered.error().message.c_str());
      }
      const double took = seconds_since(begun);
      (overlay == &none ? alone_seconds : all_seconds) += took;
      if (overlay != &none) state.SetIterationTime(took);
    }
  }
  state.counters["time_over_one_without"] = alone_seconds > 0 ? all_seconds / alone_seconds : 0;
  state.counters["queries_per_pass"] = queries_count;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(geometry.bytes()));
}

BENCHMARK(pass_with_overlay)
    ->Args({32, 20})
    ->Args({1024, 60})
    ->Args({1024, 250})
    ->UseManualTime()
    ->Iterations(10)
    ->Repetitions(3)
    ->Unit(benchmark::kMillisecond);

BENCHMARK(compact)
    ->Args({64, 1})
    ->Args({64, 250})
    ->Args({1024, 1})
    ->Args({1024, 250})
    ->UseManualTime()
    ->Iterations(3)
    ->Repetitions(3)
    ->Unit(benchmark::kMillisecond);

BENCHMARK(publish_batch)
    ->Arg(64)
    ->Arg(4096)
    ->UseManualTime()
    ->Iterations(batches)
    ->Repetitions(3)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gyre

BENCHMARK_MAIN();
