#include "backends/cuda/check/check_answers.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cuda/cuda_device.hpp"
#include "backends/device/device_backend.hpp"
#include "core/dpf/generate.hpp"
#include "core/random_source.hpp"

namespace gyre::cuda {
namespace {

using Bytes = std::vector<std::byte>;

// Repeatable, and no secret.
class SeededSource final : public RandomSource {
 public:
  explicit SeededSource(std::uint64_t seed) : engine_(seed) {}
  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_() >> 56U);
    return {};
  }
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] Bytes bytes(std::uint64_t count) {
    Bytes all(count);
    static_cast<void>(fill(all));
    return all;
  }

 private:
  std::mt19937_64 engine_;
};

Geometry any_geometry(SeededSource& random, std::uint64_t most_bytes) {
  constexpr std::uint32_t row_sizes[] = {4, 8, 12, 32, 36, 64, 100, 256, 1000, 4096, 8200, 65536};
  constexpr std::uint32_t page_sizes[] = {1, 2, 7, 8, 32, 113, 128, 200};
  const std::uint32_t row_bytes = row_sizes[random.below(std::size(row_sizes))];
  const std::uint64_t most_rows = std::max<std::uint64_t>(most_bytes / row_bytes, 1);
  const auto rows_per_page = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(page_sizes[random.below(std::size(page_sizes))], most_rows));
  const std::uint64_t pages = 1 + random.below(most_rows / rows_per_page);
  return {.rows = pages * rows_per_page, .row_bytes = row_bytes, .rows_per_page = rows_per_page};
}

Result<Overlay> any_overlay(SeededSource& random, const Geometry& geometry, std::uint64_t batches) {
  Overlay overlay;
  for (std::uint64_t seq = 1; seq <= batches; ++seq) {
    OverlayBatch batch{.seq = seq, .rows = {geometry.rows - 1}, .differences = {}};
    for (std::uint64_t i = random.below(40); i > 0; --i) {
      batch.rows.push_back(random.below(geometry.rows));
    }
    std::sort(batch.rows.begin(), batch.rows.end());
    batch.rows.erase(std::unique(batch.rows.begin(), batch.rows.end()), batch.rows.end());
    batch.differences = random.bytes(batch.rows.size() * geometry.row_bytes);
    auto longer = overlay.append(geometry, std::move(batch));
    if (!longer) return longer;
    overlay = std::move(*longer);
  }
  return overlay;
}

Result<std::shared_ptr<const Image>> image_of(Backend& backend, const Geometry& geometry,
                                              const Bytes& rows) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  if (auto written = (*staging)->write(0, rows); !written) return forward_error(written);
  return (*staging)->seal();
}

// One table on both.
class Comparison {
 public:
  Comparison(Backend& gpu, Backend& cpu, SeededSource& random, const Geometry& geometry)
      : gpu_(gpu), cpu_(cpu), random_(random), geometry_(geometry) {}

  // Of one query for each kind.
  Result<bool> agree(std::span<const QueryKind> kinds) {
    const Bytes rows = random_.bytes(geometry_.bytes());
    auto mine = image_of(gpu_, geometry_, rows);
    if (!mine) return forward_error(mine);
    auto theirs = image_of(cpu_, geometry_, rows);
    if (!theirs) return forward_error(theirs);
    std::vector<Overlay> overlays(1);
    for (const std::uint64_t batches : {1U, 3U}) {
      auto overlay = any_overlay(random_, geometry_, batches);
      if (!overlay) return forward_error(overlay);
      overlays.push_back(std::move(*overlay));
    }
    std::vector<dpf::Key> keys;
    std::vector<Query> queries;
    keys.reserve(kinds.size());
    for (const QueryKind kind : kinds) {
      const std::uint64_t records = geometry_.records(kind);
      const auto levels = dpf::levels_for(records) + static_cast<unsigned>(random_.below(3));
      auto pair = dpf::generate(levels, random_.below(records), random_);
      if (!pair) return forward_error(pair);
      keys.push_back(std::move((*pair)[random_.below(2)]));
      queries.push_back(
          {.kind = kind, .key = &keys.back(), .overlay = &overlays[queries.size() % 3]});
    }
    auto answered = same_answers(**mine, **theirs, queries);
    if (!answered || !*answered) return answered;
    auto folded = (*mine)->with_updates(overlays.back());
    if (!folded) return forward_error(folded);
    auto expected = (*theirs)->with_updates(overlays.back());
    if (!expected) return forward_error(expected);
    return same_rows(**folded, **expected);
  }

 private:
  Result<bool> same_answers(const Image& mine, const Image& theirs,
                            std::span<const Query> queries) {
    const Pass pass{queries};
    Bytes answers = random_.bytes(pass.answer_bytes(geometry_));
    Bytes expected(answers.size());
    if (auto done = mine.answer(pass, answers); !done) return forward_error(done);
    if (auto done = theirs.answer(pass, expected); !done) return forward_error(done);
    return answers == expected;
  }
  Result<bool> same_rows(const Image& mine, const Image& theirs) {
    Bytes rows = random_.bytes(geometry_.bytes());
    Bytes expected(rows.size());
    if (auto done = mine.read_rows(0, rows); !done) return forward_error(done);
    if (auto done = theirs.read_rows(0, expected); !done) return forward_error(done);
    return rows == expected;
  }

  Backend& gpu_;
  Backend& cpu_;
  SeededSource& random_;
  const Geometry geometry_;
};

// Counts tables, and says what is wrong with one.
class Checking {
 public:
  Checking(std::shared_ptr<Gpu> gpu, std::unique_ptr<CpuBackend> cpu, std::uint64_t seed)
      : gpu_(std::move(gpu)), cpu_(std::move(cpu)), seed_(seed), random_(seed) {}

  [[nodiscard]] std::shared_ptr<CudaDevice> device(const PassLimits& limits) const {
    return std::make_shared<CudaDevice>(gpu_, limits);
  }
  void compare(const std::shared_ptr<CudaDevice>& device, const Geometry& geometry,
               const std::vector<QueryKind>& kinds) {
    DeviceBackend backend(device);
    const std::uint64_t table = check_.tables++;
    check_.queries += kinds.size();
    const auto agree = Comparison(backend, *cpu_, random_, geometry).agree(kinds);
    if (agree && *agree) return;
    ++check_.wrong;
    std::fprintf(
        stderr,
        "table %llu of seed %llu (%llu rows of %u bytes, %u a page, %zu queries, %.*s): %s\n",
        static_cast<unsigned long long>(table), static_cast<unsigned long long>(seed_),
        static_cast<unsigned long long>(geometry.rows), geometry.row_bytes, geometry.rows_per_page,
        kinds.size(), static_cast<int>(device->kernel().size()), device->kernel().data(),
        agree ? "answers or rows differ from the CPU's" : agree.error().message.c_str());
  }
  [[nodiscard]] SeededSource& random() noexcept { return random_; }
  [[nodiscard]] const AnswerCheck& so_far() const noexcept { return check_; }

 private:
  const std::shared_ptr<Gpu> gpu_;
  const std::unique_ptr<CpuBackend> cpu_;
  const std::uint64_t seed_;
  SeededSource random_;
  AnswerCheck check_;
};

// Runs the work with one; without a CPU backend nothing was compared, which is wrong.
template <typename Work>
AnswerCheck checking(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed, const Work& work) {
  CpuBackendOptions options;
  options.executor = "pool";
  auto cpu = CpuBackend::create(options);
  if (!cpu) {
    std::fprintf(stderr, "%s\n", cpu.error().message.c_str());
    return {.wrong = 1};
  }
  Checking check(gpu, std::move(*cpu), seed);
  work(check);
  return check.so_far();
}

}  // namespace

AnswerCheck check_answers(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed, std::uint64_t tables,
                          std::uint64_t most_bytes) {
  return checking(gpu, seed, [&](Checking& check) {
    std::vector<std::shared_ptr<CudaDevice>> devices;
    for (const ScanRoute route : scan_routes) {
      for (const std::uint64_t bytes : {PassLimits{}.selection_bytes, std::uint64_t{4096}}) {
        devices.push_back(check.device({.selection_bytes = bytes, .route = route}));
      }
    }
    SeededSource& random = check.random();
    for (std::uint64_t i = 0; i < tables; ++i) {
      const Geometry geometry = any_geometry(random, 1 + random.below(most_bytes));
      constexpr std::uint64_t query_counts[] = {1, 1, 3, 8, 9, 33, 70, 130};
      std::vector<QueryKind> kinds(query_counts[random.below(std::size(query_counts))]);
      for (QueryKind& kind : kinds) {
        kind = random.below(2) == 0 ? QueryKind::row : QueryKind::page;
      }
      check.compare(devices[i % devices.size()], geometry, kinds);
    }
  });
}

AnswerCheck check_every_kernel(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed) {
  // More than 128 leaves have a tier that the GPU expands. All have pages that fill no group.
  constexpr std::uint64_t most_on_host = std::uint64_t{128} * dpf::bits_per_leaf;
  constexpr Geometry unaligned_rows{.rows = 163 * 113, .row_bytes = 4, .rows_per_page = 113};
  constexpr Geometry aligned_rows{.rows = 131 * 128, .row_bytes = 16, .rows_per_page = 128};
  constexpr Geometry pages{.rows = most_on_host + 37, .row_bytes = 16, .rows_per_page = 1};
  static_assert(unaligned_rows.rows > most_on_host && aligned_rows.rows > most_on_host);
  // 128 times as many have two.
  constexpr Geometry two_tiers{.rows = most_on_host * 128 + 37, .row_bytes = 4, .rows_per_page = 1};

  return checking(gpu, seed, [&](Checking& check) {
    for (const ScanRoute route : scan_routes) {
      const auto device = check.device({.route = route});
      for (const std::size_t queries : {1U, 8U, 32U, 128U}) {
        // Up to 8 queries have the same kernels on every route, as have rows that are not aligned.
        const bool is_first = route == ScanRoute::and_xor;
        if (!is_first && queries <= 8) continue;
        for (const Geometry& geometry : {unaligned_rows, aligned_rows}) {
          if (!is_first && geometry == unaligned_rows) continue;
          check.compare(device, geometry, std::vector(queries, QueryKind::row));
        }
        check.compare(device, pages, std::vector(queries, QueryKind::page));
      }
    }
    // Both tiers chunk by chunk, over several chunks; and the upper one for the whole table.
    for (const unsigned chunk_tiers : {2U, 1U}) {
      const auto device =
          check.device({.selection_bytes = std::uint64_t{1} << 17U, .chunk_tiers = chunk_tiers});
      check.compare(device, two_tiers, {QueryKind::page});
    }
  });
}

}  // namespace gyre::cuda
