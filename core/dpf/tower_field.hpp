// AES's byte arithmetic as Boolean circuits: no tables, no branches, any number of bytes side by
// side.
//
// A "bit" is anything with ^ and &: one bit in an unsigned integer for compile-time use, or a plane
// that holds the same bit of many bytes. Inversion, the heart of the S-box, is cheap in a tower of
// quadratic extensions:
//
//   GF(4)   = GF(2)[w]  / (w² + w + 1)
//   GF(16)  = GF(4)[z]  / (z² + z + w)
//   GF(256) = GF(16)[y] / (y² + y + w z)
//
// In each extension t² + t + n the conjugate of a t + b is a t + (a + b), and their product, the
// norm n a² + a b + b², lies in the field below; so (a t + b)⁻¹ = conjugate · norm⁻¹. The matrices
// between AES's own basis and the tower's are computed at compile time from a root of AES's
// polynomial in the tower.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gyre::dpf {

template <typename Bit>
struct Gf4 {
  Bit high;  // coefficient of w
  Bit low;

  friend constexpr Gf4 operator^(const Gf4& a, const Gf4& b) noexcept {
    return {a.high ^ b.high, a.low ^ b.low};
  }
  friend constexpr Gf4 operator*(const Gf4& a, const Gf4& b) noexcept {
    const Bit lows = a.low & b.low;
    return {((a.high ^ a.low) & (b.high ^ b.low)) ^ lows, (a.high & b.high) ^ lows};
  }
};

template <typename Bit>
constexpr Gf4<Bit> square(const Gf4<Bit>& a) noexcept {
  return {a.high, a.high ^ a.low};
}
template <typename Bit>
constexpr Gf4<Bit> times_w(const Gf4<Bit>& a) noexcept {
  return {a.high ^ a.low, a.high};
}
// a · a² = 1 for every a but 0.
template <typename Bit>
constexpr Gf4<Bit> inverse(const Gf4<Bit>& a) noexcept {
  return square(a);
}

template <typename Bit>
struct Gf16 {
  Gf4<Bit> high;  // coefficient of z
  Gf4<Bit> low;

  friend constexpr Gf16 operator^(const Gf16& a, const Gf16& b) noexcept {
    return {a.high ^ b.high, a.low ^ b.low};
  }
  friend constexpr Gf16 operator*(const Gf16& a, const Gf16& b) noexcept {
    const Gf4<Bit> lows = a.low * b.low;
    return {((a.high ^ a.low) * (b.high ^ b.low)) ^ lows, times_w(a.high * b.high) ^ lows};
  }
};

template <typename Bit>
constexpr Gf16<Bit> square(const Gf16<Bit>& a) noexcept {
  const Gf4<Bit> high = square(a.high);
  return {high, times_w(high) ^ square(a.low)};
}
template <typename Bit>
constexpr Gf16<Bit> times_w_z(const Gf16<Bit>& a) noexcept {
  return {times_w(a.high ^ a.low), times_w(times_w(a.high))};
}
template <typename Bit>
constexpr Gf16<Bit> inverse(const Gf16<Bit>& a) noexcept {
  const Gf4<Bit> norm = times_w(square(a.high)) ^ (a.high * a.low) ^ square(a.low);
  const Gf4<Bit> norm_inverse = inverse(norm);
  return {a.high * norm_inverse, (a.high ^ a.low) * norm_inverse};
}

template <typename Bit>
struct Gf256 {
  Gf16<Bit> high;  // coefficient of y
  Gf16<Bit> low;

  friend constexpr Gf256 operator^(const Gf256& a, const Gf256& b) noexcept {
    return {a.high ^ b.high, a.low ^ b.low};
  }
  friend constexpr Gf256 operator*(const Gf256& a, const Gf256& b) noexcept {
    const Gf16<Bit> lows = a.low * b.low;
    return {((a.high ^ a.low) * (b.high ^ b.low)) ^ lows, times_w_z(a.high * b.high) ^ lows};
  }
};

// 0 for 0, as AES wants it.
template <typename Bit>
constexpr Gf256<Bit> inverse(const Gf256<Bit>& a) noexcept {
  const Gf16<Bit> norm = times_w_z(square(a.high)) ^ (a.high * a.low) ^ square(a.low);
  const Gf16<Bit> norm_inverse = inverse(norm);
  return {a.high * norm_inverse, (a.high ^ a.low) * norm_inverse};
}

// The eight bits of a byte (or of many), the lowest first.
template <typename Bit>
using ByteBits = std::array<Bit, 8>;

template <typename Bit>
constexpr Gf256<Bit> to_tower(const ByteBits<Bit>& b) noexcept {
  return {{{b[7], b[6]}, {b[5], b[4]}}, {{b[3], b[2]}, {b[1], b[0]}}};
}
template <typename Bit>
constexpr ByteBits<Bit> to_bits(const Gf256<Bit>& a) noexcept {
  return {a.low.low.low,  a.low.low.high,  a.low.high.low,  a.low.high.high,
          a.high.low.low, a.high.low.high, a.high.high.low, a.high.high.high};
}

// A linear map of bytes: row i tells which input bits make output bit i.
using BitMatrix = std::array<std::uint8_t, 8>;

namespace tower_field_detail {

using Byte = std::uint32_t;  // a byte's value, in a type that arithmetic does not promote

constexpr ByteBits<Byte> unpack(Byte byte) noexcept {
  ByteBits<Byte> bits{};
  for (std::size_t i = 0; i < 8; ++i) bits[i] = (byte >> i) & 1U;
  return bits;
}
constexpr Byte pack(const ByteBits<Byte>& bits) noexcept {
  Byte byte = 0;
  for (std::size_t i = 0; i < 8; ++i) byte |= bits[i] << i;
  return byte;
}
constexpr Byte multiply(Byte a, Byte b) noexcept {
  return pack(to_bits(to_tower(unpack(a)) * to_tower(unpack(b))));
}

// The tower's image of each AES basis element x⁰ … x⁷: the powers of a root of x⁸ + x⁴ + x³ + x
// + 1.
constexpr std::array<Byte, 8> basis_images() noexcept {
  for (Byte root = 2; root < 256; ++root) {
    std::array<Byte, 9> power{};
    power[0] = 1;
    for (std::size_t i = 1; i < 9; ++i) power[i] = multiply(power[i - 1], root);
    if ((power[8] ^ power[4] ^ power[3] ^ power[1] ^ power[0]) == 0) {
      std::array<Byte, 8> images{};
      for (std::size_t i = 0; i < 8; ++i) images[i] = power[i];
      return images;
    }
  }
  return {};
}

constexpr BitMatrix matrix_of_columns(const std::array<Byte, 8>& columns) noexcept {
  BitMatrix matrix{};
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      const Byte bit = (columns[column] >> row) & 1U;
      matrix[row] = static_cast<std::uint8_t>(matrix[row] | (bit << column));
    }
  }
  return matrix;
}

constexpr Byte image(const std::array<Byte, 8>& columns, Byte byte) noexcept {
  Byte sum = 0;
  for (std::size_t i = 0; i < 8; ++i) sum ^= ((byte >> i) & 1U) * columns[i];
  return sum;
}

// The S-box's affine map without its constant: b_i ^ b_(i+4) ^ b_(i+5) ^ b_(i+6) ^ b_(i+7).
constexpr Byte affine(Byte byte) noexcept {
  Byte sum = 0;
  for (unsigned turn = 0; turn < 5; ++turn) sum ^= (byte << turn) | (byte >> (8 - turn));
  return sum & 0xFFU;
}

constexpr BitMatrix into_tower() noexcept {
  return matrix_of_columns(basis_images());
}

// Back from the tower's basis, then the affine map.
constexpr BitMatrix out_of_tower() noexcept {
  const std::array<Byte, 8> images = basis_images();
  std::array<Byte, 8> columns{};
  for (Byte byte = 0; byte < 256; ++byte) {
    const Byte tower = image(images, byte);
    for (std::size_t i = 0; i < 8; ++i) {
      if (tower == (Byte{1} << i)) columns[i] = affine(byte);
    }
  }
  return matrix_of_columns(columns);
}

template <const BitMatrix& matrix, std::size_t row, typename Bit, std::size_t... columns>
constexpr Bit output_bit(const ByteBits<Bit>& in, std::index_sequence<columns...>) noexcept {
  Bit sum{};
  ((((matrix[row] >> columns) & 1U) != 0 ? static_cast<void>(sum ^= in[columns])
                                         : static_cast<void>(0)),
   ...);
  return sum;
}
template <const BitMatrix& matrix, typename Bit, std::size_t... rows>
constexpr ByteBits<Bit> apply(const ByteBits<Bit>& in, std::index_sequence<rows...> all) noexcept {
  return {output_bit<matrix, rows>(in, all)...};
}

inline constexpr BitMatrix into_tower_matrix = into_tower();
inline constexpr BitMatrix out_of_tower_matrix = out_of_tower();

}  // namespace tower_field_detail

// The S-box adds this at the end; sub_bytes() leaves it to the caller, who adds it to a round key.
inline constexpr std::uint32_t sub_bytes_constant = 0x63;

// AES's S-box but for its constant.
template <typename Bit>
constexpr ByteBits<Bit> sub_bytes(const ByteBits<Bit>& in) noexcept {
  using namespace tower_field_detail;
  constexpr auto all = std::make_index_sequence<8>{};
  const ByteBits<Bit> tower = apply<into_tower_matrix>(in, all);
  return apply<out_of_tower_matrix>(to_bits(inverse(to_tower(tower))), all);
}

// AES's S-box on one byte; for compile-time use and tests.
constexpr std::uint32_t substitute_byte(std::uint32_t byte) noexcept {
  using namespace tower_field_detail;
  return pack(sub_bytes(unpack(byte))) ^ sub_bytes_constant;
}

// The example of FIPS 197, section 5.1.1, and the two ends.
static_assert(substitute_byte(0x53) == 0xED);
static_assert(substitute_byte(0x00) == 0x63 && substitute_byte(0xFF) == 0x16);

}  // namespace gyre::dpf
