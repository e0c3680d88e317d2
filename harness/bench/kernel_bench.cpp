// The inner loops of a pass alone, on one thread and data in the caches, in cycles of the clock as
// it was meanwhile: how far a kernel is from what its instructions allow.
//
// Names: ports/INSTRUCTIONS: cycles an instruction takes where nothing waits for another; those of
// the kernel avx512gfni. octets/rows:BYTES/CACHE/KERNEL: accumulate_octets over a block that stays
// in that cache, cycles for an item (eight rows; or eight pages of 4 KiB, rows:4096) and octet.
// arrange/page:ROWS/KERNEL: arrange_strings, cycles for an item and octet.
// GYRE_BENCH_QUERIES (one number), GYRE_BENCH_ROW_BYTES, GYRE_BENCH_KERNELS and
// GYRE_BENCH_REPETITIONS as in the suite batch.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/cpu/scan_kernel.hpp"
#include "core/bytes.hpp"
#include "core/cpu_features.hpp"
#include "core/elapsed.hpp"
#include "harness/bench/environment.hpp"
#include "harness/bench/measure.hpp"
#include "harness/bench/registered_cases.hpp"

namespace gyre::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t pages_per_group = 8;

#if defined(__x86_64__)

// Cycles a second of this thread's processor at the moment: each product waits for the one before,
// three cycles on every processor that runs these kernels.
double clock_hertz() {
  constexpr std::uint64_t turns = 50'000;
  constexpr double cycles_of_turn = 3 * 8;
  std::uint64_t value = 3;
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < turns; ++i) {
    asm volatile(
        "imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0\n"
        "imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0\n"
        : "+r"(value));
  }
  return turns * cycles_of_turn / seconds_since(start);
}

// Instructions for each of eight sums, registers zmm8 to zmm15, 16 times.
#define GYRE_FOR_EIGHT_SUMS(instructions)                                                         \
  asm volatile(".rept 16\n.irp sum, 8, 9, 10, 11, 12, 13, 14, 15\n" instructions ".endr\n.endr\n" \
               :                                                                                  \
               : "r"(memory)                                                                      \
               : "xmm2", "xmm3", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",     \
                 "xmm15", "memory")
#define GYRE_TWO_PRODUCTS                       \
  "vgf2p8affineqb $0, %%zmm0, %%zmm1, %%zmm2\n" \
  "vgf2p8affineqb $0, %%zmm0, %%zmm1, %%zmm3\n"
#define GYRE_SUM "vpternlogq $0x96, %%zmm2, %%zmm3, %%zmm\\sum\n"
#define GYRE_TWO_LOADS       \
  "vmovdqu64 (%0), %%zmm2\n" \
  "vpbroadcastq 64(%0), %%zmm3\n"

struct Instructions {
  std::string name;
  double of_turn;
  void (*turn)(const std::uint8_t* memory);  // of 128 bytes
};

std::vector<Instructions> instructions() {
  using Memory = const std::uint8_t*;
  return {
      {"products", 256, [](Memory memory) { GYRE_FOR_EIGHT_SUMS(GYRE_TWO_PRODUCTS); }},
      {"sums", 128, [](Memory memory) { GYRE_FOR_EIGHT_SUMS(GYRE_SUM); }},
      {"two_products_and_a_sum", 384,
       [](Memory memory) { GYRE_FOR_EIGHT_SUMS(GYRE_TWO_PRODUCTS GYRE_SUM); }},
      {"loads", 256, [](Memory memory) { GYRE_FOR_EIGHT_SUMS(GYRE_TWO_LOADS); }},
      {"two_products_a_sum_and_two_loads", 640,
       [](Memory memory) { GYRE_FOR_EIGHT_SUMS(GYRE_TWO_LOADS GYRE_TWO_PRODUCTS GYRE_SUM); }},
  };
}

#undef GYRE_FOR_EIGHT_SUMS
#undef GYRE_TWO_PRODUCTS
#undef GYRE_SUM
#undef GYRE_TWO_LOADS

// Cycles of `work`, which is called again and again, for each of `units` that a call does.
template <typename Work>
void measure_cycles(benchmark::State& state, const std::string& counter, double units,
                    const Work& work) {
  constexpr double least_seconds = 0.002;
  while (state.KeepRunning()) {
    std::vector<double> cycles;
    std::vector<double> clocks;
    double seconds = 0;
    for (std::uint64_t i = 0; i < number_from_environment("GYRE_BENCH_REPETITIONS", 15); ++i) {
      work();  // brings its data into the caches
      const double hertz = clock_hertz();
      std::uint64_t calls = 0;
      const auto start = Clock::now();
      do {
        for (int some = 0; some < 8; ++some) work();
        calls += 8;
        seconds = seconds_since(start);
      } while (seconds < least_seconds);
      cycles.push_back(seconds * hertz / (static_cast<double>(calls) * units));
      clocks.push_back(hertz);
    }
    state.SetIterationTime(seconds);
    add_spread(state, counter, spread_of(cycles));
    state.counters["clock_hertz"] = spread_of(clocks).median;
  }
}

void measure_instructions(benchmark::State& state, const Instructions& one) {
  alignas(64) const std::uint8_t memory[128] = {};
  constexpr int turns = 100;
  measure_cycles(state, "cycles_per_instruction", turns * one.of_turn, [&] {
    for (int i = 0; i < turns; ++i) one.turn(memory);
  });
}

// What a pass has of one block: items of `record_bytes` times eight, matrices and accumulators of
// as many octets as the queries fill.
class Block {
 public:
  Block(const cpu::ScanFunctions& functions, std::uint64_t record_bytes, std::uint64_t queries,
        bool second_cache)
      : functions_(functions),
        item_bytes_(pages_per_group * record_bytes),
        octets_(divide_rounding_up(queries, cpu::octet_queries)),
        sets_(divide_rounding_up(octets_, functions.octets_at_once)),
        columns_(std::min<std::uint64_t>(functions.block_columns, item_bytes_)),
        items_of_piece_(std::max<std::uint64_t>(1, functions.block_bytes / columns_)),
        pieces_(second_cache ? second_cache_bytes / (items_of_piece_ * columns_) : 1),
        rows_(items_of_piece_ * pieces_ * item_bytes_, 0x5a),
        matrices_(octets_ * cpu::matrix_stride, 0x0123456789abcdefU),
        accumulators_(octets_ * (item_bytes_ + 64)) {}

  // Items times octets of a call of scan(), of whole items.
  [[nodiscard]] double units() const {
    return static_cast<double>(items_of_piece_ * pieces_ * octets_ * columns_) /
           static_cast<double>(item_bytes_);
  }

  // As BatchScan does: every piece by one set of octets after another, which ask for the next.
  void scan() {
    for (std::uint64_t piece = 0; piece < pieces_; ++piece) {
      const std::uint64_t next = (piece + 1) % pieces_;
      for (std::size_t set = 0; set < sets_; ++set) {
        const std::size_t first = octets_ * set / sets_;
        const std::size_t end = octets_ * (set + 1) / sets_;
        functions_.accumulate_octets(
            {.items = rows_.data() + piece * items_of_piece_ * item_bytes_,
             .item_stride = item_bytes_,
             .item_count = items_of_piece_,
             .columns = columns_,
             .matrices = matrices_.data() + first * cpu::matrix_stride,
             .octets = end - first,
             .accumulators = accumulators_.data() + first * (item_bytes_ + 64),
             .accumulator_stride = item_bytes_ + 64,
             .ahead = pieces_ > 1 ? rows_.data() + next * items_of_piece_ * item_bytes_ : nullptr,
             .ahead_stride = item_bytes_,
             .ahead_part = set,
             .ahead_parts = sets_});
      }
    }
  }

 private:
  static constexpr std::uint64_t second_cache_bytes = std::uint64_t{512} << 10U;

  const cpu::ScanFunctions& functions_;
  const std::uint64_t item_bytes_;
  const std::size_t octets_;
  const std::size_t sets_;
  const std::uint64_t columns_;
  const std::uint64_t items_of_piece_;
  const std::uint64_t pieces_;
  const std::vector<std::uint8_t> rows_;
  const std::vector<std::uint64_t> matrices_;
  std::vector<std::uint8_t> accumulators_;
};

void measure_octets(benchmark::State& state, const cpu::ScanKernel& kernel,
                    std::uint64_t record_bytes, bool second_cache) {
  Block block(*kernel.functions, record_bytes, number_from_environment("GYRE_BENCH_QUERIES", 120),
              second_cache);
  measure_cycles(state, "cycles_per_item_and_octet", block.units(), [&] { block.scan(); });
}

void measure_arranging(benchmark::State& state, const cpu::ScanKernel& kernel,
                       std::uint64_t rows_per_page) {
  const std::uint64_t groups = std::max<std::uint64_t>(1, cpu::max_items_at_once / rows_per_page);
  const std::uint64_t bytes = groups * pages_per_group * rows_per_page / 8 + 1;
  std::vector<std::uint8_t> strings(cpu::octet_queries * (bytes + cpu::readable_behind_bits), 0x6d);
  const std::uint8_t* bits[cpu::octet_queries];
  for (std::size_t q = 0; q < cpu::octet_queries; ++q) {
    bits[q] = strings.data() + q * (bytes + cpu::readable_behind_bits);
  }
  std::uint64_t first_bits[pages_per_group];
  for (std::uint64_t page = 0; page < pages_per_group; ++page) {
    first_bits[page] = page * rows_per_page;
  }
  std::vector<std::uint64_t> matrices(groups * rows_per_page);
  measure_cycles(
      state, "cycles_per_item_and_octet", static_cast<double>(groups * rows_per_page), [&] {
        for (std::uint64_t group = 0; group < groups; ++group) {
          kernel.functions->arrange_strings(bits, first_bits,
                                            group * pages_per_group * rows_per_page, rows_per_page,
                                            matrices.data() + group * rows_per_page);
        }
      });
}

void register_cases() {
  const CpuFeatures needed = CpuFeatures::avx512f | CpuFeatures::gfni;
  if (covers(cpu_features(), needed)) {
    for (const Instructions& one : instructions()) {
      register_case("ports/" + one.name,
                    [one](benchmark::State& state) { measure_instructions(state, one); });
    }
  }
  for (const std::string& name : words_from_environment("GYRE_BENCH_KERNELS", {"best"})) {
    const cpu::ScanKernel* kernel = &cpu::best_scan_kernel(cpu_features());
    if (name != "best") {
      const auto found = cpu::find_scan_kernel(name, cpu_features());
      if (!found) {
        register_case("octets/" + name, [message = found.error().message](benchmark::State& state) {
          state.SkipWithError(message.c_str());
        });
        continue;
      }
      kernel = *found;
    }
    for (const auto& bytes : numbers_from_environment("GYRE_BENCH_ROW_BYTES", {32, 36, 4096})) {
      for (const bool second_cache : {false, true}) {
        const std::string label = "octets/rows:" + std::to_string(bytes) +
                                  (second_cache ? "/second_cache/" : "/first_cache/") +
                                  std::string(kernel->name);
        register_case(label, [=](benchmark::State& state) {
          measure_octets(state, *kernel, bytes, second_cache);
        });
      }
    }
    for (const std::uint64_t rows : {std::uint64_t{113}, std::uint64_t{128}}) {
      register_case("arrange/page:" + std::to_string(rows) + "/" + std::string(kernel->name),
                    [=](benchmark::State& state) { measure_arranging(state, *kernel, rows); });
    }
  }
}

#else

// Nothing here is known of other processors.
void register_cases() {}

#endif

}  // namespace
}  // namespace gyre::bench

int main(int argc, char** argv) {
  return gyre::bench::run_registered(argc, argv, &gyre::bench::register_cases);
}
