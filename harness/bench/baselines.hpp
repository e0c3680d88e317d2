// How other servers scan: over row-major rows, with masks. For comparison only; nothing else uses
// them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gyre::bench {

// answers[q * row_bytes + b] ^= rows[r * row_bytes + b] for every r < count whose bit, number
// first_bit + r of bits[q], is 1. REQUIRES: row_bytes a multiple of 4, first_bit and count of 8.
using BaselineScan = void (*)(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                              const std::uint8_t* const* bits, std::uint64_t first_bit,
                              std::uint8_t* answers) noexcept;

struct Baseline {
  const char* name;
  std::size_t queries;  // answered with one reading of the rows
  bool secure;          // whether its time and addresses keep the selection to themselves
  BaselineScan scan;
};

// Masked XOR, one query: each row is ANDed with its selection bit. With the widest vectors of AVX2
// and, where rows are no whole vectors, 32-bit words; plain words on CPUs without AVX2.
void masked_xor(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                const std::uint8_t* const* bits, std::uint64_t first_bit,
                std::uint8_t* answers) noexcept;
// The same for 8 and 16 queries, each row read once and used for all of them.
void masked_xor_by_8(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                     const std::uint8_t* const* bits, std::uint64_t first_bit,
                     std::uint8_t* answers) noexcept;
void masked_xor_by_16(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                      const std::uint8_t* const* bits, std::uint64_t first_bit,
                      std::uint8_t* answers) noexcept;
// INSECURE: rows that are not selected are not read, so that time and memory traffic tell the
// selection. Servers have been published that do it.
void skip_zero_rows(const std::uint8_t* rows, std::size_t row_bytes, std::size_t count,
                    const std::uint8_t* const* bits, std::uint64_t first_bit,
                    std::uint8_t* answers) noexcept;

inline constexpr Baseline baselines[] = {
    {"masked_xor", 1, true, &masked_xor},
    {"masked_xor_by_8", 8, true, &masked_xor_by_8},
    {"masked_xor_by_16", 16, true, &masked_xor_by_16},
    {"skip_zero_rows_INSECURE", 1, false, &skip_zero_rows},
};

}  // namespace gyre::bench
