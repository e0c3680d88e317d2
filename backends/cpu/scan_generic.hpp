// What all instruction sets share. Included by exactly one file per instruction set, in whose
// unnamed namespace everything ends up: no function compiled with its flags is visible to the
// linker.
//
// An instruction set is a type with
//   Vector: bytes (32 or 64), load(p), store(p, v), broadcast(byte), xor_and(a, d, s) = a ^ (d & s)
//   Half: the same for 32 bytes, used where a row of columns does not fill its last Vector
//   register_vectors: accumulators that fit the register file beside a selection and a load
//   streams: items read at once where they do not, each with a selection in a register
//   transpose(lanes, columns): from one 64-bit string of each of 8 pages to their 64 column bytes
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/scan_functions.hpp"

namespace gyre::cpu {
namespace {

inline std::uint64_t load_64(const std::uint8_t* bytes) noexcept {
  std::uint64_t value;
  __builtin_memcpy(&value, bytes, sizeof value);
  return value;
}

// The strings' 64 bits, or fewer with zeros above, of each of the eight pages.
struct Lanes {
  std::uint64_t page[8];
};

// Distance in bytes at which a scan asks for memory ahead of the hardware, which stops at every 4
// KiB.
inline constexpr std::size_t prefetch_bytes = 2048;

// Few columns: their accumulators stay in registers for all items.
template <typename Isa, std::size_t vectors, bool half>
void accumulate_in_registers(const std::uint8_t* items, std::size_t item_stride,
                             std::size_t item_count, const std::uint8_t* selection,
                             std::uint8_t* accumulator) noexcept {
  using Vector = typename Isa::Vector;
  using Half = typename Isa::Half;
  constexpr std::size_t half_at = vectors * Vector::bytes;
  typename Vector::Type sums[vectors > 0 ? vectors : 1];
  typename Half::Type half_sum{};
#pragma GCC unroll 16
  for (std::size_t v = 0; v < vectors; ++v) {
    sums[v] = Vector::load(accumulator + v * Vector::bytes);
  }
  if constexpr (half) half_sum = Half::load(accumulator + half_at);
  for (std::size_t i = 0; i < item_count; ++i) {
    const std::uint8_t* const item = items + i * item_stride;
    const auto selected = Vector::broadcast(selection[i]);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::size_t at = v * Vector::bytes;
      if (at % 64 == 0) __builtin_prefetch(item + at + prefetch_bytes);
      sums[v] = Vector::xor_and(sums[v], Vector::load(item + at), selected);
    }
    if constexpr (half) {
      if constexpr (half_at % 64 == 0) __builtin_prefetch(item + half_at + prefetch_bytes);
      half_sum = Half::xor_and(half_sum, Half::load(item + half_at), Half::broadcast(selection[i]));
    }
  }
#pragma GCC unroll 16
  for (std::size_t v = 0; v < vectors; ++v) {
    Vector::store(accumulator + v * Vector::bytes, sums[v]);
  }
  if constexpr (half) Half::store(accumulator + half_at, half_sum);
}

// Many columns: `streams` items at once, so that an accumulator is loaded and stored once for all
// of them.
template <typename Isa, std::size_t streams>
void accumulate_in_cache(const std::uint8_t* items, std::size_t item_stride,
                         const std::uint8_t* selection, std::size_t columns,
                         std::uint8_t* accumulator) noexcept {
  using Vector = typename Isa::Vector;
  using Half = typename Isa::Half;
  typename Vector::Type selected[streams];
#pragma GCC unroll 16
  for (std::size_t s = 0; s < streams; ++s) selected[s] = Vector::broadcast(selection[s]);
  std::size_t at = 0;
  for (; at + Vector::bytes <= columns; at += Vector::bytes) {
    auto sum = Vector::load(accumulator + at);
#pragma GCC unroll 16
    for (std::size_t s = 0; s < streams; ++s) {
      const std::uint8_t* const item = items + s * item_stride;
      __builtin_prefetch(item + at + prefetch_bytes);
      sum = Vector::xor_and(sum, Vector::load(item + at), selected[s]);
    }
    Vector::store(accumulator + at, sum);
  }
  if (at < columns) {
    auto sum = Half::load(accumulator + at);
#pragma GCC unroll 16
    for (std::size_t s = 0; s < streams; ++s) {
      const std::uint8_t* const item = items + s * item_stride;
      sum = Half::xor_and(sum, Half::load(item + at), Half::broadcast(selection[s]));
    }
    Half::store(accumulator + at, sum);
  }
}

template <typename Isa, std::size_t vectors>
void accumulate_few_columns(const std::uint8_t* items, std::size_t item_stride,
                            std::size_t item_count, const std::uint8_t* selection,
                            std::size_t columns, std::uint8_t* accumulator) noexcept {
  constexpr std::size_t bytes = vectors * Isa::Vector::bytes;
  if (columns == bytes) {
    if constexpr (vectors > 0) {
      accumulate_in_registers<Isa, vectors, false>(items, item_stride, item_count, selection,
                                                   accumulator);
    }
  } else if (columns == bytes + 32) {
    if constexpr (Isa::Vector::bytes != 32) {
      accumulate_in_registers<Isa, vectors, true>(items, item_stride, item_count, selection,
                                                  accumulator);
    }
  } else if constexpr (vectors > 0) {
    accumulate_few_columns<Isa, vectors - 1>(items, item_stride, item_count, selection, columns,
                                             accumulator);
  }
}

template <typename Isa>
void accumulate(const std::uint8_t* items, std::size_t item_stride, std::size_t item_count,
                const std::uint8_t* selection, std::size_t columns,
                std::uint8_t* accumulator) noexcept {
  if (columns <= Isa::register_vectors * Isa::Vector::bytes) {
    accumulate_few_columns<Isa, Isa::register_vectors>(items, item_stride, item_count, selection,
                                                       columns, accumulator);
    return;
  }
  constexpr std::size_t streams = Isa::streams;
  std::size_t i = 0;
  for (; i + streams <= item_count; i += streams) {
    accumulate_in_cache<Isa, streams>(items + i * item_stride, item_stride, selection + i, columns,
                                      accumulator);
  }
  for (; i < item_count; ++i) {
    accumulate_in_cache<Isa, 1>(items + i * item_stride, item_stride, selection + i, columns,
                                accumulator);
  }
}

template <typename Isa>
void interleave(const std::uint8_t* pages, std::size_t page_stride, std::size_t bytes,
                std::uint8_t* columns) noexcept {
  std::size_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    Lanes lanes;
#pragma GCC unroll 8
    for (std::size_t p = 0; p < 8; ++p) lanes.page[p] = load_64(pages + p * page_stride + at);
    Isa::transpose(lanes, columns + 8 * at);
  }
  if (at < bytes) {
    Lanes lanes{};
    for (std::size_t p = 0; p < 8; ++p) {
      __builtin_memcpy(&lanes.page[p], pages + p * page_stride + at, bytes - at);
    }
    std::uint8_t last[64];
    Isa::transpose(lanes, last);
    __builtin_memcpy(columns + 8 * at, last, 8 * (bytes - at));
  }
}

// A 64-bit load at a byte has at least 57 of the bits that start at any bit of it; whole bytes are
// simpler.
inline constexpr std::size_t bits_per_load = 56;

template <typename Isa>
void interleave_bits(const std::uint8_t* bits, std::uint64_t first_bit, std::uint64_t bit_stride,
                     std::size_t count, std::uint8_t* columns) noexcept {
  if (first_bit % 8 == 0 && bit_stride % 8 == 0 && count % 8 == 0) {
    interleave<Isa>(bits + first_bit / 8, bit_stride / 8, count / 8, columns);
    return;
  }
  for (std::size_t at = 0; at < count; at += bits_per_load) {
    Lanes lanes;
#pragma GCC unroll 8
    for (std::uint64_t p = 0; p < 8; ++p) {
      const std::uint64_t bit = first_bit + p * bit_stride + at;
      lanes.page[p] = load_64(bits + bit / 8) >> (bit % 8);
    }
    const std::size_t wanted = count - at < bits_per_load ? count - at : bits_per_load;
    std::uint8_t some[64];
    Isa::transpose(lanes, some);
    __builtin_memcpy(columns + at, some, wanted);
  }
}

template <typename Isa>
void xor_selected(const std::uint8_t* records, std::size_t record_stride, std::size_t record_bytes,
                  std::size_t count, const std::uint8_t* bits, std::uint64_t first_bit,
                  std::uint8_t* answer) noexcept {
  using Half = typename Isa::Half;
  for (std::size_t r = 0; r < count; ++r) {
    const std::uint64_t bit = first_bit + r;
    const std::uint32_t mask = 0U - ((std::uint32_t{bits[bit / 8]} >> (bit % 8)) & 1U);
    const std::uint8_t* const record = records + r * record_stride;
    const auto selected = Half::broadcast(static_cast<std::uint8_t>(mask));
    std::size_t at = 0;
    for (; at + 32 <= record_bytes; at += 32) {
      Half::store(answer + at,
                  Half::xor_and(Half::load(answer + at), Half::load(record + at), selected));
    }
    for (; at < record_bytes; at += 4) {
      std::uint32_t sum;
      std::uint32_t word;
      __builtin_memcpy(&sum, answer + at, sizeof sum);
      __builtin_memcpy(&word, record + at, sizeof word);
      sum ^= word & mask;
      __builtin_memcpy(answer + at, &sum, sizeof sum);
    }
  }
}

}  // namespace
}  // namespace gyre::cpu
