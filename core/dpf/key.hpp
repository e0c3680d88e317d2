// Keys of the distributed point function: their parts, their native wire form, and whether one fits
// a table.
//
// The construction is that of Boyle, Gilboa and Ishai ("Function Secret Sharing: Improvements and
// Extensions", CCS 2016) with early termination at 128 output bits, bit-compatible with the dense
// PIR keys of Google's distributed_point_functions. docs/formats.md states every byte.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/dpf/block.hpp"
#include "core/dpf/max_levels.hpp"
#include "core/error.hpp"

namespace gyre::dpf {

// What one level corrects in the children of a node whose control bit is set.
struct LevelCorrection {
  Block seed;                // its lowest bit is 0: that bit of a child is the child's control bit
  std::uint8_t control = 0;  // bit 0: the left child's, bit 1: the right child's

  friend bool operator==(const LevelCorrection&, const LevelCorrection&) = default;
};

// One party's share of "record α is selected". A secret of the client's: never logged, quoted or
// cached.
struct Key {
  std::uint8_t party = 0;  // 0 or 1; the control bit of the root
  Block seed;              // of the root
  std::vector<LevelCorrection> levels;
  Block value_correction;

  friend bool operator==(const Key&, const Key&) = default;
};

// Fewest levels whose leaves cover that many records: ⌈log2 ⌈records / 128⌉⌉. REQUIRES: records >
// 0.
[[nodiscard]] unsigned levels_for(std::uint64_t records) noexcept;

// ⌈records / 128⌉.
[[nodiscard]] std::uint64_t leaves_for(std::uint64_t records) noexcept;

// Bytes of the wire form of a key of so many levels.
[[nodiscard]] constexpr std::size_t wire_bytes(unsigned levels) noexcept {
  return 4 + 4 + 16 + std::size_t{levels} * 17 + 16;
}

// The wire form. REQUIRES: key.levels.size() <= max_levels.
[[nodiscard]] std::vector<std::byte> serialize(const Key& key);

// The key at the front of `bytes`, and how many bytes it took. Reads no further than it must,
// allocates at most max_levels corrections. Errors: malformed_request for a wrong magic, party,
// level count, non-zero reserved bits, a correction seed with its lowest bit set (no conforming
// generator makes one, and it would tell the server a side of the path), or too few bytes.
struct ParsedKey {
  Key key;
  std::size_t wire_bytes;
};
[[nodiscard]] Result<ParsedKey> parse_front(std::span<const std::byte> bytes);

// Exactly one key and nothing behind it.
[[nodiscard]] Result<Key> parse(std::span<const std::byte> bytes);

// Whether `party` can answer the key over that many records. Surplus levels are allowed up to
// max_levels. Errors: wrong_party, key_domain_mismatch.
[[nodiscard]] Result<void> check(const Key& key, std::uint8_t party, std::uint64_t records);

}  // namespace gyre::dpf
