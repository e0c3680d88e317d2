// The inner loops of scan and staging, one implementation per instruction set, as plain function
// pointers: files compiled with instruction-set flags share nothing else with the rest, so that no
// inline function built with those flags can end up in code that runs on every CPU.
//
// Thread-safety: pure functions over the memory they are handed. REQUIRES of all: pointers to
// enough bytes, no alignment required, input and output do not overlap, counts may be 0.
// Constant-time in everything that `selection` and `bits` point to and what is made of it: control
// flow and addresses depend on sizes alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gyre::cpu {

// Queries that a scan answers together: the selection bits of eight queries over the eight pages of
// a group are an 8 x 8 matrix, and what it makes of a column byte is a byte whose bit q belongs to
// query q.
inline constexpr std::size_t octet_queries = 8;

// Items whose matrices are made before they are scanned, at most, and how far (in matrices) those
// of one octet lie from the next one's: a little more, lest the matrices of one item fall into one
// set of the first-level cache.
inline constexpr std::size_t max_items_at_once = 512;
inline constexpr std::size_t matrix_stride = max_items_at_once + 8;

// A block of items for the queries of a few octets.
struct OctetScan {
  const std::uint8_t* items;
  std::size_t item_stride;
  std::size_t item_count;
  std::size_t columns;  // a multiple of 32

  const std::uint64_t* matrices;  // item i of octet o: matrices[o * matrix_stride + i]
  std::size_t octets;             // at most the kernel's octets_at_once

  std::uint8_t* accumulators;  // octet o: from accumulators + o * accumulator_stride
  std::size_t accumulator_stride;

  // Where the items of the next block lie, as many as this block has, `ahead_stride` apart, or
  // null. Of their cache lines, every one whose number modulo `ahead_parts` is `ahead_part` is
  // asked for meanwhile, so that the scans of a block by several sets of octets share the work.
  const std::uint8_t* ahead;
  std::size_t ahead_stride;
  std::size_t ahead_part;
  std::size_t ahead_parts;
};

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

  // The way back: bit i of pages[p * page_stride + b] is bit p of columns[8 * b + i].
  void (*separate)(const std::uint8_t* columns, std::size_t bytes, std::uint8_t* pages,
                   std::size_t page_stride) noexcept;

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

  // The matrices of one octet, in the form in which this kernel's accumulate_octets takes them:
  // that of item i < count selects page p for query q by bit number first_bits[p] + from + i of
  // bits[q]. Reads up to readable_behind_bits past the last bit it needs.
  void (*arrange_strings)(const std::uint8_t* const (&bits)[octet_queries],
                          const std::uint64_t (&first_bits)[8], std::uint64_t from,
                          std::size_t count, std::uint64_t* matrices) noexcept;

  // The same where the bits of an item are one byte: bit p of selections[q][i].
  void (*arrange_bytes)(const std::uint8_t* const (&selections)[octet_queries], std::size_t count,
                        std::uint64_t* matrices) noexcept;

  // The same where what selects one page is a byte: bit q of selections[8 * i + p], for every p
  // < 8.
  void (*arrange_pages)(const std::uint8_t* selections, std::size_t count,
                        std::uint64_t* matrices) noexcept;

  // For every octet, item and column: accumulators[c] ^= the byte whose bit q is the parity of the
  // column byte and the item's selection bits of query q.
  void (*accumulate_octets)(const OctetScan& scan) noexcept;

  // Octets that accumulate_octets takes at once, at most.
  std::size_t octets_at_once;

  // The block that it is best called with for one set of octets after another: so many columns of
  // an item, at most, and as many items as these bytes hold, at least one.
  std::size_t block_columns;
  std::size_t block_bytes;
};

// Bytes that must be readable behind the bits handed to interleave_bits and arrange_strings, and
// behind the selections handed to arrange_bytes.
inline constexpr std::size_t readable_behind_bits = 128;

extern const ScanFunctions portable_scan_functions;
#if defined(__x86_64__)
extern const ScanFunctions avx2_scan_functions;
extern const ScanFunctions avx512_scan_functions;
extern const ScanFunctions avx512gfni_scan_functions;
#endif

}  // namespace gyre::cpu
