// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), by libsodium.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/metadata.hpp"

namespace gyre::crypto {

// The 8 bytes of SipHash-2-4 read as an unsigned little-endian number. Thread-safe, does not fail.
[[nodiscard]] std::uint64_t siphash_2_4(const Bytes16& key,
                                        std::span<const std::byte> message) noexcept;

}  // namespace gyre::crypto
