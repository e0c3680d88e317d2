#include "harness/crypto/siphash.hpp"

#include <sodium/crypto_shorthash_siphash24.h>

#include <array>

#include "core/bytes.hpp"

namespace gyre::crypto {

std::uint64_t siphash_2_4(const Bytes16& key, std::span<const std::byte> message) noexcept {
  static_assert(crypto_shorthash_siphash24_KEYBYTES == std::tuple_size_v<Bytes16>);
  std::array<std::byte, crypto_shorthash_siphash24_BYTES> hash{};
  // Always succeeds: it is a pure function of its arguments.
  (void)crypto_shorthash_siphash24(reinterpret_cast<unsigned char*>(hash.data()),
                                   reinterpret_cast<const unsigned char*>(message.data()),
                                   message.size(),
                                   reinterpret_cast<const unsigned char*>(key.data()));
  return load_little_endian<std::uint64_t>(hash.data());
}

}  // namespace gyre::crypto
