// Bytes and numbers: little-endian loads and stores, lower-case hex, and arithmetic that notices
// overflow.
//
// Thread-safety: pure functions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gyre {

static_assert(std::endian::native == std::endian::little,
              "wire forms and memory order are little-endian; a big-endian port must swap here");

// Reads an unsigned integer from the first sizeof(T) bytes. REQUIRES: that many bytes.
template <typename T>
[[nodiscard]] inline T load_little_endian(const std::byte* bytes) noexcept {
  static_assert(std::is_unsigned_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <typename T>
inline void store_little_endian(std::byte* bytes, T value) noexcept {
  static_assert(std::is_unsigned_v<T>);
  std::memcpy(bytes, &value, sizeof(T));
}

template <typename T>
inline void append_little_endian(std::vector<std::byte>& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(T));
  store_little_endian(out.data() + at, value);
}

// The product or sum, or nothing if it does not fit 64 bits.
[[nodiscard]] inline std::optional<std::uint64_t> checked_multiply(std::uint64_t a,
                                                                   std::uint64_t b) noexcept {
  std::uint64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}
[[nodiscard]] inline std::optional<std::uint64_t> checked_add(std::uint64_t a,
                                                              std::uint64_t b) noexcept {
  std::uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

[[nodiscard]] constexpr std::uint64_t divide_rounding_up(std::uint64_t a,
                                                         std::uint64_t b) noexcept {
  return a / b + (a % b != 0 ? 1 : 0);
}

// Lower-case hex, two characters a byte.
[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

// Fills `out` from exactly 2 * out.size() lower- or upper-case hex digits; false on anything else.
[[nodiscard]] bool from_hex(std::string_view text, std::span<std::byte> out) noexcept;

[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace gyre
