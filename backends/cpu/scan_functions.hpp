// The inner loops of staging and scan, one implementation per instruction set. Plain pointers only:
// files that are compiled with instruction-set flags include this and nothing with inline
// functions, because the linker might choose their copy of such a function for everybody.
//
// All functions: no alignment required, input and output do not overlap, counts may be 0.
// Constant-time in everything that `selection` and `bits` point to: control flow and addresses
// depend on sizes alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gyre::cpu {

struct ScanFunctions {
  // accumulator[c] ^= items[i * item_stride + c] & selection[i] for every i < items_count, c <
  // columns. REQUIRES: columns is a multiple of 32.
  void (*accumulate)(const std::uint8_t* items, std::size_t item_stride, std::size_t item_count,
                     const std::uint8_t* selection, std::size_t columns,
                     std::uint8_t* accumulator) noexcept;

  // From eight pages to column bytes (backends/cpu/interleaved_layout.hpp): bit p of columns[8 * b
  // + i] is bit i of pages[p * page_stride + b], for every b < bytes.
  void (*interleave)(const std::uint8_t* pages, std::size_t page_stride, std::size_t bytes,
                     std::uint8_t* columns) noexcept;

  // The same of eight bit strings: bit p of columns[c] is bit number first_bit + p * bit_stride + c
  // of `bits`, for every c < count. Reads up to 8 bytes past the last bit it needs.
  void (*interleave_bits)(const std::uint8_t* bits, std::uint64_t first_bit,
                          std::uint64_t bit_stride, std::size_t count,
                          std::uint8_t* columns) noexcept;

  // answer[b] ^= records[r * record_stride + b] for every r < count whose bit, number first_bit + r
  // of `bits`, is 1, and b < record_bytes; every record is read. REQUIRES: record_bytes is a
  // multiple of 4.
  void (*xor_selected)(const std::uint8_t* records, std::size_t record_stride,
                       std::size_t record_bytes, std::size_t count, const std::uint8_t* bits,
                       std::uint64_t first_bit, std::uint8_t* answer) noexcept;
};

// Bytes that must be readable behind the bits handed to interleave_bits.
inline constexpr std::size_t readable_behind_bits = 8;

extern const ScanFunctions portable_scan_functions;
#if defined(__x86_64__)
extern const ScanFunctions avx2_scan_functions;
extern const ScanFunctions avx512_scan_functions;
#endif

}  // namespace gyre::cpu
