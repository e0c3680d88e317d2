// Every kernel this CPU runs against the sentences that specify its functions, bit by bit.
#include "backends/cpu/scan_kernel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "backends/cpu/interleaved_layout.hpp"
#include "core/cpu_features.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::cpu {
namespace {

using Memory = std::vector<std::uint8_t>;

std::vector<const ScanKernel*> runnable_kernels() {
  std::vector<const ScanKernel*> runnable;
  for (const ScanKernel& kernel : scan_kernels()) {
    if (covers(cpu_features(), kernel.required)) runnable.push_back(&kernel);
  }
  return runnable;
}

Memory random_memory(SeededRandom& random, std::size_t bytes) {
  Memory memory(bytes);
  (void)random.fill(std::as_writable_bytes(std::span(memory)));
  return memory;
}

unsigned bit_of(const Memory& memory, std::uint64_t bit) {
  return (unsigned{memory[bit / 8]} >> (bit % 8)) & 1U;
}

TEST(ScanKernels, ThePortableOneComesLastAndNeedsNothing) {
  EXPECT_EQ(scan_kernels().back().name, "portable");
  EXPECT_EQ(scan_kernels().back().required, CpuFeatures::none);
  EXPECT_EQ(best_scan_kernel(CpuFeatures::none).name, "portable");
}

TEST(ScanKernels, TheFastestThatFitsIsChosen) {
#if defined(__x86_64__)
  EXPECT_EQ(best_scan_kernel(CpuFeatures::avx2).name, "avx2");
  EXPECT_EQ(best_scan_kernel(CpuFeatures::avx2 | CpuFeatures::avx512f).name, "avx2");
  EXPECT_EQ(best_scan_kernel(CpuFeatures::avx2 | CpuFeatures::avx512f | CpuFeatures::avx512bw).name,
            "avx512");
  EXPECT_EQ(best_scan_kernel(CpuFeatures::avx2 | CpuFeatures::avx512f | CpuFeatures::avx512bw |
                             CpuFeatures::gfni)
                .name,
            "avx512");
  EXPECT_EQ(best_scan_kernel(CpuFeatures::avx2 | CpuFeatures::avx512f | CpuFeatures::avx512bw |
                             CpuFeatures::avx512vl | CpuFeatures::gfni | CpuFeatures::avx512vbmi |
                             CpuFeatures::avx512vbmi2)
                .name,
            "avx512gfni");
#else
  GTEST_SKIP() << "this build has the portable kernel only";
#endif
}

TEST(ScanKernels, AForcedKernelIsFoundOrRefusedNeverReplaced) {
  for (const ScanKernel& kernel : scan_kernels()) {
    const auto found = find_scan_kernel(kernel.name, kernel.required);
    ASSERT_TRUE(found) << kernel.name;
    EXPECT_EQ((*found)->name, kernel.name);
    if (kernel.required != CpuFeatures::none) {
      EXPECT_EQ(code_of(find_scan_kernel(kernel.name, CpuFeatures::none)),
                ErrorCode::cpu_feature_missing);
    }
  }
  EXPECT_EQ(code_of(find_scan_kernel("sse9", cpu_features())), ErrorCode::bad_configuration);
  EXPECT_EQ(code_of(find_scan_kernel("", cpu_features())), ErrorCode::bad_configuration);
}

TEST(InterleavedColumns, ByteToColumnsAndBackForEveryByteAndPage) {
  for (unsigned value = 0; value < 256; ++value) {
    for (unsigned page = 0; page < 8; ++page) {
      const std::uint64_t columns = columns_of_byte(static_cast<std::uint8_t>(value)) << page;
      for (unsigned bit = 0; bit < 8; ++bit) {
        const auto column = static_cast<std::uint8_t>(columns >> (8 * bit));
        EXPECT_EQ(column, ((value >> bit) & 1U) << page);
      }
      EXPECT_EQ(byte_of_columns(columns, page), value);
      EXPECT_EQ(parities_of_columns(columns), value);
    }
  }
}

RC_GTEST_PROP(InterleavedColumns, ParitiesAreThoseOfTheColumnBytes, (std::uint64_t columns)) {
  for (unsigned bit = 0; bit < 8; ++bit) {
    const auto column = static_cast<unsigned>((columns >> (8 * bit)) & 255U);
    RC_ASSERT(((unsigned{parities_of_columns(columns)} >> bit) & 1U) ==
              (static_cast<unsigned>(__builtin_popcount(column)) & 1U));
  }
}

RC_GTEST_PROP(ScanKernels, AccumulateAddsSelectedBitsOfEveryItem, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto columns = 32 * *anywhere_in<std::size_t>(1, 60);
  const auto items = *anywhere_in<std::size_t>(0, 40);
  const auto stride = columns + 32 * *rc::gen::element<std::size_t>(0, 0, 1, 5);
  const auto misaligned = *rc::gen::element<std::size_t>(0, 0, 1, 32);
  const Memory data = random_memory(random, items * stride + misaligned);
  const Memory selection = random_memory(random, items);
  const Memory before = random_memory(random, columns);
  Memory expected = before;
  for (std::size_t i = 0; i < items; ++i) {
    for (std::size_t c = 0; c < columns; ++c) {
      expected[c] = static_cast<std::uint8_t>(expected[c] ^
                                              (data[misaligned + i * stride + c] & selection[i]));
    }
  }
  for (const ScanKernel* kernel : runnable_kernels()) {
    Memory sums = before;
    kernel->functions->accumulate(data.data() + misaligned, stride, items, selection.data(),
                                  columns, sums.data());
    RC_ASSERT(sums == expected);
  }
}

RC_GTEST_PROP(ScanKernels, InterleavePutsEachPagesBitsInColumns, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto bytes = *anywhere_in<std::size_t>(0, 100);
  const auto stride = bytes + *anywhere_in<std::size_t>(0, 9);
  const Memory pages = random_memory(random, 8 * stride);
  Memory expected(8 * bytes + 1, 0xee);  // one byte more, that must stay as it is
  for (std::size_t c = 0; c < 8 * bytes; ++c) {
    unsigned column = 0;
    for (std::size_t p = 0; p < 8; ++p) {
      column |= ((unsigned{pages[p * stride + c / 8]} >> (c % 8)) & 1U) << p;
    }
    expected[c] = static_cast<std::uint8_t>(column);
  }
  for (const ScanKernel* kernel : runnable_kernels()) {
    Memory columns(8 * bytes + 1, 0xee);
    kernel->functions->interleave(pages.data(), stride, bytes, columns.data());
    RC_ASSERT(columns == expected);
  }
}

RC_GTEST_PROP(ScanKernels, InterleaveBitsIsTheSameForStringsOfBits, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto count = *anywhere_in<std::size_t>(0, 300);
  const auto stride = *rc::gen::oneOf(anywhere_in<std::uint64_t>(1, 300),
                                      rc::gen::map(anywhere_in<std::uint64_t>(1, 40),
                                                   [](std::uint64_t bytes) { return 8 * bytes; }));
  const auto first = *rc::gen::oneOf(anywhere_in<std::uint64_t>(0, 100),
                                     rc::gen::map(anywhere_in<std::uint64_t>(0, 40),
                                                  [](std::uint64_t bytes) { return 8 * bytes; }));
  const Memory bits =
      random_memory(random, (first + 7 * stride + count) / 8 + 1 + readable_behind_bits);
  Memory expected(count + 1, 0xee);
  for (std::size_t c = 0; c < count; ++c) {
    unsigned column = 0;
    for (unsigned p = 0; p < 8; ++p) column |= bit_of(bits, first + p * stride + c) << p;
    expected[c] = static_cast<std::uint8_t>(column);
  }
  for (const ScanKernel* kernel : runnable_kernels()) {
    Memory columns(count + 1, 0xee);
    kernel->functions->interleave_bits(bits.data(), first, stride, count, columns.data());
    RC_ASSERT(columns == expected);
  }
}

RC_GTEST_PROP(ScanKernels, XorSelectedAddsTheRecordsWhoseBitIsSet, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto record_bytes = 4 * *anywhere_in<std::size_t>(1, 60);
  const auto stride = record_bytes + 4 * *anywhere_in<std::size_t>(0, 3);
  const auto count = *anywhere_in<std::size_t>(0, 40);
  const auto first = *anywhere_in<std::uint64_t>(0, 30);
  const Memory records = random_memory(random, count * stride);
  const Memory bits = random_memory(random, (first + count) / 8 + 1);
  const Memory before = random_memory(random, record_bytes);
  Memory expected = before;
  for (std::size_t r = 0; r < count; ++r) {
    if (bit_of(bits, first + r) == 0) continue;
    for (std::size_t b = 0; b < record_bytes; ++b) {
      expected[b] = static_cast<std::uint8_t>(expected[b] ^ records[r * stride + b]);
    }
  }
  for (const ScanKernel* kernel : runnable_kernels()) {
    Memory answer = before;
    kernel->functions->xor_selected(records.data(), stride, record_bytes, count, bits.data(), first,
                                    answer.data());
    RC_ASSERT(answer == expected);
  }
}

RC_GTEST_PROP(ScanKernels, SeparateUndoesInterleave, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto bytes = *anywhere_in<std::size_t>(0, 100);
  const auto stride = bytes + *anywhere_in<std::size_t>(0, 9);
  const Memory columns = random_memory(random, 8 * bytes);
  const Memory before = random_memory(random, 8 * stride);  // what lies between the pages stays
  Memory expected = before;
  for (std::size_t p = 0; p < 8; ++p) {
    for (std::size_t b = 0; b < bytes; ++b) {
      unsigned byte = 0;
      for (unsigned i = 0; i < 8; ++i) {
        byte |= ((unsigned{columns[8 * b + i]} >> p) & 1U) << i;
      }
      expected[p * stride + b] = static_cast<std::uint8_t>(byte);
    }
  }
  for (const ScanKernel* kernel : runnable_kernels()) {
    Memory pages = before;
    kernel->functions->separate(columns.data(), bytes, pages.data(), stride);
    RC_ASSERT(pages == expected);
  }
}

// Selection bits of the queries of some octets, and what they make of a block of items.
struct OctetCase {
  explicit OctetCase(std::uint64_t seed) : random(seed) {
    columns = 32 * *rc::gen::oneOf(anywhere_in<std::size_t>(1, 30),
                                   rc::gen::element<std::size_t>(8, 9, 16, 32));
    items = *rc::gen::oneOf(anywhere_in<std::size_t>(0, 20),
                            rc::gen::element<std::size_t>(63, 64, 65, 129));
    stride = columns + 32 * *rc::gen::element<std::size_t>(0, 0, 1, 5);
    data = random_memory(random, items * stride);
  }

  // accumulators[o][c] for selection(query, item), the selection byte over the eight pages.
  template <typename Selection>
  [[nodiscard]] std::vector<Memory> expected(std::vector<Memory> accumulators,
                                             const Selection& selection) const {
    for (std::size_t o = 0; o < accumulators.size(); ++o) {
      for (std::size_t i = 0; i < items; ++i) {
        std::array<unsigned, octet_queries> selected;
        for (std::size_t q = 0; q < octet_queries; ++q) selected[q] = selection(8 * o + q, i);
        for (std::size_t c = 0; c < columns; ++c) {
          unsigned octet = 0;
          for (std::size_t q = 0; q < octet_queries; ++q) {
            const auto parity =
                static_cast<unsigned>(__builtin_popcount(selected[q] & data[i * stride + c])) & 1U;
            octet |= parity << q;
          }
          accumulators[o][c] = static_cast<std::uint8_t>(accumulators[o][c] ^ octet);
        }
      }
    }
    return accumulators;
  }

  // What a kernel makes of it, `arrange(o, matrices)` being how it gets its matrices. `ahead`,
  // where there is any, must change nothing.
  template <typename Arrange>
  [[nodiscard]] std::vector<Memory> scanned(const ScanFunctions& functions,
                                            const std::vector<Memory>& accumulators,
                                            const Arrange& arrange, bool with_ahead) const {
    const std::size_t accumulator_stride = columns + 96;
    Memory sums(accumulators.size() * accumulator_stride, 0xee);
    for (std::size_t o = 0; o < accumulators.size(); ++o) {
      std::copy(accumulators[o].begin(), accumulators[o].end(),
                sums.begin() + static_cast<std::ptrdiff_t>(o * accumulator_stride));
    }
    for (std::size_t first = 0; first < accumulators.size(); first += functions.octets_at_once) {
      const std::size_t octets = std::min(functions.octets_at_once, accumulators.size() - first);
      std::vector<std::uint64_t> matrices(octets * matrix_stride);
      for (std::size_t o = 0; o < octets; ++o) {
        arrange(first + o, matrices.data() + o * matrix_stride);
      }
      functions.accumulate_octets({.items = data.data(),
                                   .item_stride = stride,
                                   .item_count = items,
                                   .columns = columns,
                                   .matrices = matrices.data(),
                                   .octets = octets,
                                   .accumulators = sums.data() + first * accumulator_stride,
                                   .accumulator_stride = accumulator_stride,
                                   .ahead = with_ahead ? data.data() : nullptr,
                                   .ahead_stride = stride,
                                   .ahead_part = first,
                                   .ahead_parts = accumulators.size()});
    }
    std::vector<Memory> result;
    for (std::size_t o = 0; o < accumulators.size(); ++o) {
      const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(o * accumulator_stride);
      result.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(columns));
      for (std::size_t c = columns; c < accumulator_stride; ++c) {
        RC_ASSERT(sums[o * accumulator_stride + c] == 0xee);
      }
    }
    return result;
  }

  SeededRandom random;
  std::size_t columns;
  std::size_t items;
  std::size_t stride;
  Memory data;
};

std::vector<Memory> random_accumulators(SeededRandom& random, std::size_t octets,
                                        std::size_t columns) {
  std::vector<Memory> accumulators;
  for (std::size_t o = 0; o < octets; ++o) accumulators.push_back(random_memory(random, columns));
  return accumulators;
}

RC_GTEST_PROP(ScanKernels, OctetsAreTheParitiesOfWhatStringsSelect, (std::uint64_t seed)) {
  OctetCase one(seed);
  const auto octets = *anywhere_in<std::size_t>(1, 7);
  std::array<std::uint64_t, 8> first_bits{};
  const bool aligned = *rc::gen::arbitrary<bool>();
  // Pages one behind the other, as whole groups have them, or anywhere.
  const auto page_bits = *rc::gen::element<std::uint64_t>(0, 16, 64, 113, 128);
  const std::uint64_t first_page = one.random.word() % 200;
  for (std::size_t page = 0; page < 8; ++page) {
    std::uint64_t& first = first_bits[page];
    first = page_bits != 0 ? first_page + page * page_bits : one.random.word() % 1100;
    if (aligned) first -= first % 8;
  }
  const auto from = *anywhere_in<std::uint64_t>(0, 300);
  std::vector<Memory> bits;
  for (std::size_t q = 0; q < 8 * octets; ++q) {
    bits.push_back(
        random_memory(one.random, (1100 + from + one.items) / 8 + 1 + readable_behind_bits));
  }
  const auto before = random_accumulators(one.random, octets, one.columns);
  const auto expected = one.expected(before, [&](std::size_t query, std::size_t item) {
    unsigned selection = 0;
    for (unsigned p = 0; p < 8; ++p)
      selection |= bit_of(bits[query], first_bits[p] + from + item) << p;
    return selection;
  });
  for (const ScanKernel* kernel : runnable_kernels()) {
    const auto arrange = [&](std::size_t octet, std::uint64_t* matrices) {
      const std::uint8_t* strings[octet_queries];
      std::uint64_t firsts[8];
      std::copy(first_bits.begin(), first_bits.end(), firsts);
      for (std::size_t q = 0; q < octet_queries; ++q) strings[q] = bits[8 * octet + q].data();
      const std::uint64_t behind = matrices[one.items];
      kernel->functions->arrange_strings(strings, firsts, from, one.items, matrices);
      RC_ASSERT(matrices[one.items] == behind);
    };
    RC_ASSERT(one.scanned(*kernel->functions, before, arrange, false) == expected);
    RC_ASSERT(one.scanned(*kernel->functions, before, arrange, true) == expected);
  }
}

RC_GTEST_PROP(ScanKernels, OctetsAreTheParitiesOfWhatBytesSelect, (std::uint64_t seed)) {
  OctetCase one(seed);
  const auto octets = *anywhere_in<std::size_t>(1, 7);
  std::vector<Memory> bytes;
  for (std::size_t q = 0; q < 8 * octets; ++q) {
    bytes.push_back(random_memory(one.random, one.items + readable_behind_bits));
  }
  const auto before = random_accumulators(one.random, octets, one.columns);
  const auto expected = one.expected(
      before, [&](std::size_t query, std::size_t item) { return unsigned{bytes[query][item]}; });
  for (const ScanKernel* kernel : runnable_kernels()) {
    const auto arrange = [&](std::size_t octet, std::uint64_t* matrices) {
      const std::uint8_t* selections[octet_queries];
      for (std::size_t q = 0; q < octet_queries; ++q) selections[q] = bytes[8 * octet + q].data();
      const std::uint64_t behind = matrices[one.items];
      kernel->functions->arrange_bytes(selections, one.items, matrices);
      RC_ASSERT(matrices[one.items] == behind);
    };
    RC_ASSERT(one.scanned(*kernel->functions, before, arrange, false) == expected);
  }
}

RC_GTEST_PROP(ScanKernels, OctetsAreTheParitiesOfWhatPagesAreSelectedBy, (std::uint64_t seed)) {
  OctetCase one(seed);
  const auto octets = *anywhere_in<std::size_t>(1, 7);
  std::vector<Memory> pages;
  for (std::size_t o = 0; o < octets; ++o)
    pages.push_back(random_memory(one.random, 8 * one.items));
  const auto before = random_accumulators(one.random, octets, one.columns);
  const auto expected = one.expected(before, [&](std::size_t query, std::size_t item) {
    unsigned selection = 0;
    for (unsigned p = 0; p < 8; ++p) {
      selection |= ((unsigned{pages[query / 8][8 * item + p]} >> (query % 8)) & 1U) << p;
    }
    return selection;
  });
  for (const ScanKernel* kernel : runnable_kernels()) {
    const auto arrange = [&](std::size_t octet, std::uint64_t* matrices) {
      const std::uint64_t behind = matrices[one.items];
      kernel->functions->arrange_pages(pages[octet].data(), one.items, matrices);
      RC_ASSERT(matrices[one.items] == behind);
    };
    RC_ASSERT(one.scanned(*kernel->functions, before, arrange, false) == expected);
  }
}

}  // namespace
}  // namespace gyre::cpu
