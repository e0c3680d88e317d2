#include "core/row_combinations.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "core/bytes.hpp"
#include "core/dpf/expansion_kernel.hpp"

namespace gyre {
namespace {

// Every x86-64 and every 64-bit Arm has registers of this size.
using Vector = std::uint64_t __attribute__((vector_size(16)));
constexpr std::size_t vector_bytes = sizeof(Vector);

// Rows whose masks are made at a time; an even number.
constexpr std::size_t rows_per_block = 1024;
// Row bytes that go through all digits' buckets while they stay in the nearest caches.
constexpr std::size_t block_bytes = std::size_t{64} << 10U;

constexpr unsigned digits_of(unsigned digit_bits) noexcept {
  return row_combinations / digit_bits;
}

// The vectors go through memcpy because rows have any alignment; the compiler makes loads of it.
inline void xor_vector(std::byte* to, const std::byte* from) noexcept {
  Vector sum;
  Vector more;
  std::memcpy(&sum, to, vector_bytes);
  std::memcpy(&more, from, vector_bytes);
  sum ^= more;
  std::memcpy(to, &sum, vector_bytes);
}

struct Digit {
  std::byte* buckets;  // of this digit
  unsigned shift;      // of its lowest bit in a mask
  std::uint64_t mask;
};

// XORs each row into its bucket, `vectors` vectors of it. A row may be shorter than that: then what
// lies behind it is added to the bucket's padding, which nobody reads.
template <std::size_t vectors>
void add_short_rows(const Digit& digit, std::span<const std::uint64_t> masks, const std::byte* rows,
                    std::size_t row_bytes) noexcept {
  for (const std::uint64_t mask : masks) {
    std::byte* const bucket =
        digit.buckets + ((mask >> digit.shift) & digit.mask) * vectors * vector_bytes;
    for (std::size_t v = 0; v < vectors; ++v) {
      xor_vector(bucket + v * vector_bytes, rows + v * vector_bytes);
    }
    rows += row_bytes;
  }
}

void add_long_rows(const Digit& digit, std::span<const std::uint64_t> masks, const std::byte* rows,
                   std::size_t row_bytes, std::size_t stride) noexcept {
  for (const std::uint64_t mask : masks) {
    std::byte* const bucket = digit.buckets + ((mask >> digit.shift) & digit.mask) * stride;
    for (std::size_t at = 0; at < stride; at += vector_bytes) xor_vector(bucket + at, rows + at);
    rows += row_bytes;
  }
}

}  // namespace

void RowMasks::fill(std::uint64_t first_row, std::span<std::uint64_t> masks) const noexcept {
  // A block of hash makes the masks of two rows, an even one and the next. The hash is that of the
  // point function, of the row pair's number offset by the secret seed.
  const dpf::ExpansionKernel& kernel = dpf::best_expansion_kernel();
  constexpr std::size_t pairs_at_once = 256;
  std::array<dpf::Block, pairs_at_once> in;
  std::array<dpf::Block, pairs_at_once> out;
  std::size_t filled = 0;
  while (filled < masks.size()) {
    const std::uint64_t row = first_row + filled;
    const std::uint64_t first_pair = row / 2;
    const std::size_t skip = row % 2;
    const std::size_t count = std::min(masks.size() - filled, 2 * pairs_at_once - skip);
    const std::size_t pairs = (skip + count + 1) / 2;
    for (std::size_t i = 0; i < pairs; ++i) in[i] = seed_ ^ dpf::Block{first_pair + i, 0};
    kernel.hash(dpf::FixedKey::value, in.data(), out.data(), pairs);
    std::memcpy(masks.data() + filled,
                reinterpret_cast<const std::byte*>(out.data()) + skip * sizeof(std::uint64_t),
                count * sizeof(std::uint64_t));
    filled += count;
  }
}

RowCombinations::RowCombinations(std::uint32_t row_bytes, const dpf::Block& secret_seed)
    : masks_(secret_seed),
      row_bytes_(row_bytes),
      stride_(divide_rounding_up(row_bytes, vector_bytes) * vector_bytes),
      digit_bits_(row_bytes <= 1024 ? 8 : 4),
      buckets_((std::size_t{digits_of(digit_bits_)} << digit_bits_) * stride_),
      padded_row_(stride_) {}

Result<RowCombinations> RowCombinations::create(std::uint32_t row_bytes,
                                                const dpf::Block& secret_seed) try {
  return RowCombinations(row_bytes, secret_seed);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory to check an image with");
}

void RowCombinations::add(std::uint64_t first_row, std::span<const std::byte> rows) noexcept {
  std::array<std::uint64_t, rows_per_block> masks;
  const std::size_t rows_at_once =
      std::clamp<std::size_t>(block_bytes / row_bytes_, 1, rows_per_block);
  while (!rows.empty()) {
    const std::size_t count = std::min(rows_at_once, rows.size() / row_bytes_);
    const auto some = std::span(masks).first(count);
    masks_.fill(first_row, some);
    // A vector may read past a row only where enough rows follow.
    const std::size_t rows_past = divide_rounding_up(stride_ - row_bytes_, row_bytes_);
    const std::size_t left = rows.size() / row_bytes_;
    const std::size_t whole = std::min(count, left > rows_past ? left - rows_past : 0);
    add_with_masks(some.first(whole), rows.data());
    for (std::size_t i = whole; i < count; ++i) {
      std::memcpy(padded_row_.data(), rows.data() + i * row_bytes_, row_bytes_);
      add_with_masks(some.subspan(i, 1), padded_row_.data());
    }
    first_row += count;
    rows = rows.subspan(count * row_bytes_);
  }
}

void RowCombinations::add_with_masks(std::span<const std::uint64_t> masks,
                                     const std::byte* rows) noexcept {
  const std::size_t digit_bytes = (std::size_t{1} << digit_bits_) * stride_;
  // One digit after the other for the whole block: only its buckets need to be near.
  for (unsigned d = 0; d < digits_of(digit_bits_); ++d) {
    const Digit digit{buckets_.data() + d * digit_bytes, d * digit_bits_,
                      (std::uint64_t{1} << digit_bits_) - 1};
    switch (stride_ / vector_bytes) {
      case 1:
        add_short_rows<1>(digit, masks, rows, row_bytes_);
        break;
      case 2:
        add_short_rows<2>(digit, masks, rows, row_bytes_);
        break;
      case 3:
        add_short_rows<3>(digit, masks, rows, row_bytes_);
        break;
      case 4:
        add_short_rows<4>(digit, masks, rows, row_bytes_);
        break;
      default:
        add_long_rows(digit, masks, rows, row_bytes_, stride_);
    }
  }
}

Result<std::vector<std::byte>> RowCombinations::sums() const try {
  std::vector<std::byte> sums(row_combinations * row_bytes_);
  std::vector<std::byte> sum(stride_);
  const std::size_t buckets_per_digit = std::size_t{1} << digit_bits_;
  for (unsigned c = 0; c < row_combinations; ++c) {
    std::fill(sum.begin(), sum.end(), std::byte{0});
    const std::byte* const digit =
        buckets_.data() + (c / digit_bits_) * buckets_per_digit * stride_;
    for (std::size_t value = 0; value < buckets_per_digit; ++value) {
      if (((value >> (c % digit_bits_)) & 1U) == 0) continue;
      for (std::size_t at = 0; at < stride_; at += vector_bytes) {
        xor_vector(sum.data() + at, digit + value * stride_ + at);
      }
    }
    std::memcpy(sums.data() + c * row_bytes_, sum.data(), row_bytes_);
  }
  return sums;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory to check an image with");
}

}  // namespace gyre
