// Where a key's row can be in a cuckoo3 table, and how such a row looks. docs/formats.md, "Keyed
// tables".
//
// The client calls these with its secret keys. SipHash itself is constant-time, but candidates()
// takes a remainder, and a CPU's division may take a time that depends on the hash: hashing on the
// client is outside what is claimed about time. Neither server sees it; the claim covers keys of
// the function (core/dpf) and scans.
//
// Thread-safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::table {

using Candidates = std::array<std::uint64_t, 3>;

// Row numbers where the key's row may be, in the order of the seeds; they may coincide. REQUIRES:
// rows > 0.
[[nodiscard]] Candidates candidates(const Cuckoo3Layout& layout, std::uint64_t rows,
                                    std::span<const std::byte> key) noexcept;

// What marks a row as the key's. Never 0, which marks an empty row.
[[nodiscard]] std::uint64_t tag(const Cuckoo3Layout& layout,
                                std::span<const std::byte> key) noexcept;

// A key from its text. ethereum_account: "0x" and 40 hex digits of either case, to 20 bytes (the
// mixed-case checksum of EIP-55 is not checked); bytes: the text's own bytes, 1 to max_key_bytes.
// Errors: malformed_input.
inline constexpr std::size_t max_key_bytes = 4096;
[[nodiscard]] Result<std::vector<std::byte>> parse_key(ValueKind kind, std::string_view text);

// Tag, value, zero padding. REQUIRES: row.size() >= tag_bytes + value.size().
void encode_row(std::uint64_t tag, std::span<const std::byte> value,
                std::span<std::byte> row) noexcept;

// REQUIRES of both: row.size() >= tag_bytes (+ value_bytes).
[[nodiscard]] std::uint64_t row_tag(std::span<const std::byte> row) noexcept;
[[nodiscard]] std::span<const std::byte> row_value(const Cuckoo3Layout& layout,
                                                   std::span<const std::byte> row) noexcept;

}  // namespace gyre::table
