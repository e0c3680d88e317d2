// Everything about a base except its rows.
//
// Thread-safety: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/geometry.hpp"

namespace gyre {

using Bytes8 = std::array<std::byte, 8>;
using Bytes16 = std::array<std::byte, 16>;
using Bytes32 = std::array<std::byte, 32>;

// What the bytes of a keyed row mean to a client.
enum class ValueKind : std::uint8_t {
  bytes = 0,             // tag 8, value, zero padding to row_bytes
  ethereum_account = 1,  // tag 8, balance 16, nonce 8, code id 4: 36 bytes
};
[[nodiscard]] std::string_view name(ValueKind kind) noexcept;  // "bytes", "ethereum-account"

// Rows are found by their number.
struct IndexLayout {
  friend bool operator==(const IndexLayout&, const IndexLayout&) = default;
};

// Rows are found by key: candidate i of key k is SipHash-2-4(seeds[i], k) mod rows; the row's first
// 8 bytes are its tag, SipHash-2-4(tag_key, k) with 0 stored as 1; a tag of 0 marks an empty row.
struct Cuckoo3Layout {
  std::array<Bytes16, 3> seeds{};
  Bytes16 tag_key{};
  ValueKind value = ValueKind::bytes;
  std::uint32_t value_bytes = 0;

  friend bool operator==(const Cuckoo3Layout&, const Cuckoo3Layout&) = default;
};

using Layout = std::variant<IndexLayout, Cuckoo3Layout>;

inline constexpr std::uint32_t tag_bytes = 8;
inline constexpr std::uint32_t ethereum_account_value_bytes = 28;  // balance 16, nonce 8, code id 4

struct Metadata {
  Geometry geometry;
  Bytes16 table{};  // names the mapping from keys to rows
  Layout layout;
  std::uint64_t as_of_seq = 0;                // feed position the base reflects
  std::optional<std::uint64_t> block_number;  // of the chain state in the rows; nothing: has none
  std::optional<Bytes32> state_root;

  friend bool operator==(const Metadata&, const Metadata&) = default;
};

// A keyed row holds its tag and its value. Errors: geometry_mismatch.
[[nodiscard]] Result<void> check_consistent(const Metadata& metadata);

// The canonical binary header: what the content id hashes before the chunk digests.
// docs/formats.md, "Content id", states every byte.
[[nodiscard]] std::vector<std::byte> canonical_header(const Metadata& metadata);

}  // namespace gyre
