#include "backends/cuda/check/bench.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cuda/check/check_kernels.hpp"
#include "backends/cuda/cuda_device.hpp"
#include "backends/cuda/cuda_error.hpp"
#include "backends/cuda/pass_runner.hpp"
#include "backends/cuda/table_memory.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "backends/device/device_backend.hpp"
#include "core/dpf/generate.hpp"
#include "core/elapsed.hpp"
#include "core/promotion.hpp"
#include "core/random_source.hpp"

namespace gyre::cuda {
namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
constexpr std::uint64_t word_bytes = sizeof(std::uint32_t);

// Each measurement: a warm-up, then repetitions until there are enough or time is up.
constexpr int most_repetitions = 15;
constexpr int least_repetitions = 3;
constexpr double most_seconds = 1.5;

using Clock = std::chrono::steady_clock;
using Work = std::function<Result<void>()>;

struct Times {
  double median = 0;
  double least = 0;
  int repetitions = 0;
};

// Of work that is done when it returns.
Result<Times> measure(const Work& work) {
  if (auto warm = work(); !warm) return forward_error(warm);
  std::vector<double> seconds;
  const auto begun = Clock::now();
  while (static_cast<int>(seconds.size()) < least_repetitions ||
         (static_cast<int>(seconds.size()) < most_repetitions &&
          seconds_since(begun) < most_seconds)) {
    const auto start = Clock::now();
    if (auto done = work(); !done) return forward_error(done);
    seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  return Times{seconds[seconds.size() / 2], seconds.front(), static_cast<int>(seconds.size())};
}

// A table as the scans see it: what its words are does not matter to their speed, but it is not
// zeros.
struct GeneratedTable {
  Geometry geometry;
  TableLayout layout;
  TableMemory memory;  // as a server's images have it
};

class Bench {
 public:
  Bench(std::shared_ptr<Gpu> gpu, double seconds) : gpu_(std::move(gpu)), seconds_(seconds) {}

  // In the order of their worth: time may be up before all is done.
  Result<void> run(BenchPart part) {
    if (auto done = ceilings(); !done) return done;
    if (part == BenchPart::rest) return rest();
    if (auto done = expansion(); !done) return done;
    const std::uint64_t size = largest_size();
    if (auto done = table(size, pages, {{QueryKind::page, {1, 128}}}); !done) return done;
    if (auto done = table(size, rows_of_32, {{QueryKind::row, {1}}}); !done) return done;
    return table(size, rows_of_36, {{QueryKind::row, {1}}});
  }

 private:
  struct PageShape {
    std::uint32_t row_bytes;
    std::uint32_t rows_per_page;
  };
  static constexpr PageShape pages{4096, 1};
  static constexpr PageShape rows_of_32{32, 128};
  static constexpr PageShape rows_of_36{36, 113};

  // Queries of one kind over a table, and how many at once.
  struct Asked {
    QueryKind kind;
    std::vector<std::size_t> batches;
    bool with_overlay = false;  // once more, with an overlay of `overlay_rows`
  };
  static constexpr std::uint64_t overlay_rows = std::uint64_t{1} << 16U;

  Result<void> rest() {
    const std::uint64_t large = std::min(8 * gib, largest_size());
    const std::vector<std::size_t> all = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
    const std::vector<std::size_t> some = {1, 8, 32, 128};
    if (auto done = table(large, pages, {{QueryKind::page, all}}); !done) return done;
    if (auto done = transfers(large); !done) return done;
    for (const std::uint64_t size : {gib, large}) {
      for (const PageShape& shape : {rows_of_32, rows_of_36}) {
        if (auto done = table(size, shape,
                              {{QueryKind::row, some, /*with_overlay=*/shape.row_bytes == 32},
                               {QueryKind::page, some}});
            !done) {
          return done;
        }
      }
    }
    // Of the smallest, what a pass costs beside its scan: a launch of every kernel.
    for (const std::uint64_t size : {gib / 64, gib / 8, gib}) {
      if (auto done = table(size, pages, {{QueryKind::page, some}}); !done) return done;
    }
    const std::uint64_t largest = largest_size();
    if (auto done = table(largest, pages, {{QueryKind::page, {8, 32, 256, 2, 4, 16, 64, 512}}});
        !done) {
      return done;
    }
    return table(largest, rows_of_32, {{QueryKind::row, {8, 32}}});
  }

  // 64 GiB; on a smaller card as many whole ones as fit beside what passes and checks take.
  std::uint64_t largest_size() {
    constexpr std::uint64_t wanted = 64 * gib;
    constexpr std::uint64_t beside = 2 * gib;
    std::size_t free = 0;
    std::size_t total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = gpu_->capacity_bytes();
    const std::uint64_t fits = free > beside ? (free - beside) / gib * gib : 0;
    const std::uint64_t size = std::clamp(fits, gib, wanted);
    if (size < wanted && !said_largest_) {
      said_largest_ = true;
      std::printf(
          "{\"name\": \"largest_table\", \"bytes\": %llu, \"wanted_bytes\": %llu, "
          "\"free_bytes\": %llu}\n",
          static_cast<unsigned long long>(size), static_cast<unsigned long long>(wanted),
          static_cast<unsigned long long>(free));
    }
    return size;
  }

  // Says so: a result that is not there must not look like one that was forgotten.
  [[nodiscard]] bool time_is_up(const char* what, std::uint64_t bytes) const {
    if (seconds_since(begun_) <= seconds_) return false;
    std::printf("{\"name\": \"%s\", \"bytes\": %llu, \"skipped\": \"time was up\"}\n", what,
                static_cast<unsigned long long>(bytes));
    return true;
  }

  // Whether the error only means that the card, or the host, is too small for it.
  static bool skipped(const char* what, std::uint64_t bytes, const Error& error) {
    if (error.code != ErrorCode::device_out_of_memory && error.code != ErrorCode::out_of_memory) {
      return false;
    }
    std::printf("{\"name\": \"%s\", \"bytes\": %llu, \"skipped\": \"%s\"}\n", what,
                static_cast<unsigned long long>(bytes), std::string(name(error.code)).c_str());
    return true;
  }

  Result<void> synchronize() { return result_of(cudaDeviceSynchronize()); }

  Result<void> ceilings() {
    const std::uint64_t bytes = std::min(4 * gib, gpu_->capacity_bytes() / 4);
    auto from = GpuMemory::create(gpu_, bytes);
    if (!from) return forward_error(from);
    auto to = GpuMemory::create(gpu_, bytes);
    if (!to) return forward_error(to);
    auto* const words = from->as<std::uint32_t>();
    if (auto done = result_of(fill_words(nullptr, words, bytes / word_bytes)); !done) return done;
    auto copy = measure([&]() -> Result<void> {
      if (auto done = result_of(
              cudaMemcpyAsync(to->as<void>(), words, bytes, cudaMemcpyDeviceToDevice, nullptr));
          !done) {
        return done;
      }
      return synchronize();
    });
    if (!copy) return forward_error(copy);
    std::printf(
        "{\"name\": \"ceiling_copy\", \"bytes\": %llu, \"seconds\": %.9f, "
        "\"read_and_written_bytes_per_second\": %.6g, \"repetitions\": %d}\n",
        static_cast<unsigned long long>(bytes), copy->median,
        2 * static_cast<double>(bytes) / copy->median, copy->repetitions);
    for (const unsigned blocks_each : {4U, 8U, 16U}) {
      auto read = measure([&]() -> Result<void> {
        if (auto done =
                result_of(sum_words(nullptr, words, bytes / word_bytes, to->as<std::uint32_t>(),
                                    gpu_->multiprocessors() * blocks_each));
            !done) {
          return done;
        }
        return synchronize();
      });
      if (!read) return forward_error(read);
      const double rate = static_cast<double>(bytes) / read->median;
      read_ceiling_ = std::max(read_ceiling_, rate);
      std::printf(
          "{\"name\": \"ceiling_read\", \"bytes\": %llu, \"blocks_per_multiprocessor\": %u, "
          "\"seconds\": %.9f, \"bytes_per_second\": %.6g, \"repetitions\": %d}\n",
          static_cast<unsigned long long>(bytes), blocks_each, read->median, rate,
          read->repetitions);
    }
    return upload_ceiling(to->as<void>());
  }

  // From pinned host memory, as staging's buffers are.
  Result<void> upload_ceiling(void* to) {
    constexpr std::uint64_t bytes = std::uint64_t{256} << 20U;
    auto from = PinnedMemory::create(gpu_, bytes);
    if (!from) return forward_error(from);
    auto copy = measure([&]() -> Result<void> {
      if (auto done = result_of(
              cudaMemcpyAsync(to, from->as<void>(), bytes, cudaMemcpyHostToDevice, nullptr));
          !done) {
        return done;
      }
      return synchronize();
    });
    if (!copy) return forward_error(copy);
    upload_ceiling_ = static_cast<double>(bytes) / copy->median;
    std::printf(
        "{\"name\": \"ceiling_upload\", \"bytes\": %llu, \"seconds\": %.9f, "
        "\"bytes_per_second\": %.6g, \"repetitions\": %d}\n",
        static_cast<unsigned long long>(bytes), copy->median, upload_ceiling_, copy->repetitions);
    return {};
  }

  Result<void> table(std::uint64_t size, const PageShape& shape, const std::vector<Asked>& asked) {
    if (time_is_up("table", size)) return {};
    auto made = generate(size, shape);
    if (!made) {
      if (skipped("table", size, made.error())) return {};
      return forward_error(made);
    }
    for (const Asked& each : asked) {
      for (const std::size_t count : each.batches) {
        for (const ScanRoute route : scan_routes) {
          // Up to 8 queries have the same kernels on every route.
          if (route != ScanRoute::and_xor && count <= 8) continue;
          if (auto done = batch(*made, each.kind, route, count); !done) {
            if (!skipped("pass", size, done.error())) return done;
          }
        }
      }
    }
    for (const Asked& each : asked) {
      if (!each.with_overlay) continue;
      for (const std::size_t count : each.batches) {
        if (auto done = batch(*made, each.kind, ScanRoute::and_xor, count, overlay_rows); !done) {
          if (!skipped("pass", size, done.error())) return done;
        }
      }
    }
    for (const Asked& each : asked) {
      if (auto done = decodes(*made, each.kind); !done) {
        if (!skipped("decodes", size, done.error())) return done;
      }
    }
    return {};
  }

  Result<GeneratedTable> generate(std::uint64_t size, const PageShape& shape) {
    const std::uint64_t count = size / shape.row_bytes / shape.rows_per_page;
    const TableLayout layout{.pages = count,
                             .page_words = shape.row_bytes / 4 * shape.rows_per_page,
                             .row_words = shape.row_bytes / 4};
    auto memory =
        TableMemory::create(gpu_, std::make_shared<std::atomic<std::uint64_t>>(0), layout.words());
    if (!memory) return forward_error(memory);
    GeneratedTable made{{count * shape.rows_per_page, shape.row_bytes, shape.rows_per_page},
                        layout,
                        std::move(*memory)};
    if (auto done = result_of(fill_words(nullptr, made.memory.words(), layout.words())); !done) {
      return forward_error(done);
    }
    if (auto done = synchronize(); !done) return forward_error(done);
    return made;
  }

  Result<std::vector<dpf::Key>> keys_for(std::uint64_t records, std::size_t count) {
    std::vector<dpf::Key> keys;
    for (std::size_t i = 0; i < count; ++i) {
      auto pair =
          dpf::generate(dpf::levels_for(records), i * 0x9E3779B97F4A7C15U % records, random_);
      if (!pair) return forward_error(pair);
      keys.push_back(std::move((*pair)[i % 2]));
    }
    return keys;
  }

  // Both parties' answers, at the last record, which lies where 32-bit arithmetic would not reach.
  Result<void> decodes(const GeneratedTable& made, QueryKind kind) {
    const std::uint64_t records = made.geometry.records(kind);
    const std::uint64_t bytes = made.geometry.answer_bytes(kind);
    for (const ScanRoute route : scan_routes) {
      auto runner = PassRunner::create(gpu_, {.route = route});
      if (!runner) return forward_error(runner);
      bool right = true;
      for (const std::uint64_t record : {std::uint64_t{1}, records - 1}) {
        auto pair = dpf::generate(dpf::levels_for(records), record, random_);
        if (!pair) return forward_error(pair);
        const Overlay none;
        std::vector<std::byte> sum(bytes);
        for (const dpf::Key& key : *pair) {
          // Several at once, so that the batched kernels are the ones that are looked at.
          const std::vector<Query> queries(33, Query{.kind = kind, .key = &key, .overlay = &none});
          std::vector<std::byte> answers(queries.size() * bytes);
          if (auto done = (*runner)->run(made.memory.words(), made.layout, queries, answers,
                                         PassLimits{}.batch);
              !done) {
            return done;
          }
          for (std::size_t b = 0; b < bytes; ++b) sum[b] ^= answers[32 * bytes + b];
        }
        auto expected = record_at(made, record * bytes / word_bytes, bytes);
        if (!expected) return forward_error(expected);
        right = right && sum == *expected;
      }
      std::printf(
          "{\"name\": \"decodes\", \"kind\": \"%s\", \"route\": \"%s\", \"bytes\": %llu, "
          "\"row_bytes\": %u, \"right\": %s}\n",
          name_of(kind), text_of(route).c_str(),
          static_cast<unsigned long long>(made.geometry.bytes()), made.geometry.row_bytes,
          right ? "true" : "false");
    }
    return {};
  }

  Result<std::vector<std::byte>> record_at(const GeneratedTable& made, std::uint64_t word,
                                           std::uint64_t bytes) {
    auto stream = gpu_->make_stream(StreamUse::copies);
    if (!stream) return forward_error(stream);
    auto rows = GpuMemory::create(gpu_, bytes);
    if (!rows) return forward_error(rows);
    std::vector<std::byte> record(bytes);
    const ExtractStep step{.layout = made.layout,
                           .image = made.memory.words(),
                           .out = rows->as<std::uint32_t>(),
                           .first_word = word,
                           .count = bytes / word_bytes};
    if (auto done = (*stream)->run(step); !done) return forward_error(done);
    if (auto done = (*stream)->copy_down(record.data(), rows->as<void>(), bytes); !done) {
      return forward_error(done);
    }
    if (auto done = (*stream)->synchronize(); !done) return forward_error(done);
    return record;
  }

  // A whole pass as a server would run it, from keys in host memory to answers there.
  Result<void> batch(const GeneratedTable& made, QueryKind kind, ScanRoute route, std::size_t count,
                     std::uint64_t updated_rows = 0) {
    const std::uint64_t size = made.geometry.bytes();
    if (time_is_up("pass", size)) return {};
    auto runner = PassRunner::create(gpu_, {.route = route});
    if (!runner) return forward_error(runner);
    auto keys = keys_for(made.geometry.records(kind), count);
    if (!keys) return forward_error(keys);
    Overlay overlay;
    if (updated_rows > 0) {
      auto updated = updates_all_over(made.geometry, updated_rows);
      if (!updated) return forward_error(updated);
      overlay = std::move(*updated);
    }
    std::vector<Query> queries;
    for (const dpf::Key& key : *keys) {
      queries.push_back({.kind = kind, .key = &key, .overlay = &overlay});
    }
    std::vector<std::byte> answers(count * made.geometry.answer_bytes(kind));
    auto times = measure([&] {
      return (*runner)->run(made.memory.words(), made.layout, queries, answers, PassLimits{}.batch);
    });
    if (!times) return forward_error(times);
    const double rate = static_cast<double>(size) * static_cast<double>(count) / times->median;
    std::printf(
        "{\"name\": \"pass\", \"kind\": \"%s\", \"route\": \"%s\", \"bytes\": %llu, "
        "\"row_bytes\": "
        "%u, \"rows_per_page\": %u, \"batch\": %zu, \"overlay_rows\": %llu, \"seconds\": %.9f, "
        "\"least_seconds\": %.9f, "
        "\"repetitions\": %d, \"queries_per_second\": %.6g, "
        "\"table_bytes_times_queries_per_second\": "
        "%.6g, \"of_read_ceiling\": %.4f, \"pass_of_read_ceiling\": %.4f}\n",
        name_of(kind), text_of(route).c_str(), static_cast<unsigned long long>(size),
        made.geometry.row_bytes, made.geometry.rows_per_page, count,
        static_cast<unsigned long long>(updated_rows), times->median, times->least,
        times->repetitions, static_cast<double>(count) / times->median, rate, rate / read_ceiling_,
        static_cast<double>(size) / times->median / read_ceiling_);
    return {};
  }

  // The last tier and those above it for 2^20 leaves a query, nothing scanned.
  Result<void> expansion() {
    constexpr std::uint64_t leaves = std::uint64_t{1} << 20U;
    auto stream = gpu_->make_stream(StreamUse::expansion);
    if (!stream) return forward_error(stream);
    for (const std::uint32_t count : {1U, 8U, 64U}) {
      auto keys = keys_for(leaves * 128, count);
      if (!keys) return forward_error(keys);
      std::vector<TreeCorrections> corrections;
      std::vector<dpf::Block> tops;
      for (const dpf::Key& key : *keys) {
        TreeTop top = top_of_tree(key, leaves);
        corrections.push_back(top.corrections);
        tops.insert(tops.end(), top.nodes.begin(), top.nodes.end());
      }
      const std::uint64_t key_bytes = corrections.size() * sizeof(TreeCorrections);
      const std::uint64_t top_bytes = tops.size() * sizeof(dpf::Block);
      const std::uint64_t middle = nodes_at(levels_per_tier, leaves);
      std::array<GpuMemory, 4> buffers;
      const std::array<std::uint64_t, 4> sizes = {key_bytes, top_bytes,
                                                  middle * count * sizeof(dpf::Block),
                                                  leaves * count * sizeof(dpf::Block)};
      for (std::size_t i = 0; i < buffers.size(); ++i) {
        if (auto done = buffers[i].reserve(gpu_, sizes[i]); !done) return done;
      }
      if (auto done = (*stream)->copy_up(buffers[0].as<void>(), corrections.data(), key_bytes);
          !done) {
        return done;
      }
      if (auto done = (*stream)->copy_up(buffers[1].as<void>(), tops.data(), top_bytes); !done) {
        return done;
      }
      const ExpandStep above{.keys = buffers[0].as<TreeCorrections>(),
                             .queries = count,
                             .height = levels_per_tier,
                             .ancestors = buffers[1].as<dpf::Block>(),
                             .ancestors_stride = tops.size() / count,
                             .out = buffers[2].as<dpf::Block>(),
                             .out_stride = middle,
                             .last = middle - 1};
      ExpandStep below = above;
      below.height = 0;
      below.ancestors = above.out;
      below.ancestors_stride = middle;
      below.out = buffers[3].as<dpf::Block>();
      below.out_stride = leaves;
      below.last = leaves - 1;
      auto times = measure([&]() -> Result<void> {
        if (auto done = (*stream)->run(above); !done) return done;
        if (auto done = (*stream)->run(below); !done) return done;
        return (*stream)->synchronize();
      });
      if (!times) return forward_error(times);
      std::printf(
          "{\"name\": \"expansion\", \"queries\": %u, \"leaves\": %llu, \"seconds\": %.9f, "
          "\"leaves_per_second\": %.6g, \"leaf_bytes_of_read_ceiling\": %.4f, "
          "\"repetitions\": %d}\n",
          count, static_cast<unsigned long long>(leaves), times->median,
          static_cast<double>(leaves * count) / times->median,
          static_cast<double>(leaves * count * sizeof(dpf::Block)) / times->median / read_ceiling_,
          times->repetitions);
    }
    return {};
  }

  // Through staging, as a rotation does it, and from a host image, as a promotion does it.
  Result<void> transfers(std::uint64_t size) {
    if (time_is_up("upload", size)) return {};
    const Geometry geometry{.rows = size / 4096, .row_bytes = 4096, .rows_per_page = 1};
    DeviceBackend device(std::make_shared<CudaDevice>(gpu_));
    CpuBackendOptions options;
    options.executor = "pool";
    auto cpu = CpuBackend::create(options);
    if (!cpu) return forward_error(cpu);
    std::vector<std::byte> chunk(std::size_t{64} << 20U);
    if (auto done = random_.fill(chunk); !done) return done;
    const auto stage_into = [&](Backend& backend) -> Result<std::shared_ptr<const Image>> {
      auto staging = backend.stage(geometry);
      if (!staging) return forward_error(staging);
      for (std::uint64_t row = 0; row < geometry.rows; row += chunk.size() / 4096) {
        if (auto done = (*staging)->write(row, chunk); !done) return forward_error(done);
      }
      return (*staging)->seal();
    };
    const auto report = [&](const char* what, double seconds) {
      std::printf(
          "{\"name\": \"%s\", \"bytes\": %llu, \"seconds\": %.6f, \"bytes_per_second\": "
          "%.6g, \"of_upload_ceiling\": %.4f, \"repetitions\": 1}\n",
          what, static_cast<unsigned long long>(size), seconds, static_cast<double>(size) / seconds,
          static_cast<double>(size) / seconds / upload_ceiling_);
    };
    const auto start = Clock::now();
    auto image = stage_into(device);
    if (!image) {
      if (skipped("upload", size, image.error())) return {};
      return forward_error(image);
    }
    report("upload", seconds_since(start));
    if (auto done = compaction(**image); !done) return done;
    image->reset();
    auto host = stage_into(**cpu);
    if (!host) {
      if (skipped("promotion", size, host.error())) return {};
      return forward_error(host);
    }
    const auto begun = Clock::now();
    auto promoted = promote(**host, device, [] { return true; });
    if (!promoted) return forward_error(promoted);
    report("promotion", seconds_since(begun));
    return {};
  }

  // Rows at the same distance from each other.
  Result<Overlay> updates_all_over(const Geometry& geometry, std::uint64_t count) {
    OverlayBatch batch{.seq = 1, .rows = {}, .differences = {}};
    for (std::uint64_t i = 0; i < count; ++i) {
      batch.rows.push_back(i * (geometry.rows / count));
    }
    batch.differences.resize(count * geometry.row_bytes);
    if (auto done = random_.fill(batch.differences); !done) return forward_error(done);
    return Overlay{}.append(geometry, std::move(batch));
  }

  // Updates of rows all over a table: most are in a piece of memory of their own.
  Result<void> compaction(const Image& image) {
    constexpr std::uint64_t count = 1000;
    const Geometry& geometry = image.geometry();
    auto overlay = updates_all_over(geometry, count);
    if (!overlay) return forward_error(overlay);
    const auto start = Clock::now();
    if (auto folded = image.with_updates(*overlay); !folded) {
      if (skipped("compaction", geometry.bytes(), folded.error())) return {};
      return forward_error(folded);
    }
    std::printf(
        "{\"name\": \"compaction\", \"bytes\": %llu, \"rows\": %llu, \"seconds\": %.6f, "
        "\"repetitions\": 1}\n",
        static_cast<unsigned long long>(geometry.bytes()), static_cast<unsigned long long>(count),
        seconds_since(start));
    return {};
  }

  static std::string text_of(ScanRoute route) { return std::string(cuda::name_of(route)); }
  static const char* name_of(QueryKind kind) { return kind == QueryKind::page ? "page" : "row"; }

  const std::shared_ptr<Gpu> gpu_;
  const double seconds_;
  const Clock::time_point begun_ = Clock::now();
  SystemRandom random_;
  bool said_largest_ = false;
  double read_ceiling_ = 0;
  double upload_ceiling_ = 0;
};

}  // namespace

Result<void> run_benchmarks(const std::shared_ptr<Gpu>& gpu, BenchPart part, double seconds) {
  // Whole lines, also if this is killed for taking too long.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return Bench(gpu, seconds).run(part);
}

}  // namespace gyre::cuda
