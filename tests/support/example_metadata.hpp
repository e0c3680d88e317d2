// Metadata with a value in every field, the one that docs/formats.md works through.
#pragma once

#include <rapidcheck.h>
#include <cstdint>

#include "core/metadata.hpp"
#include "tests/support/generators.hpp"

namespace gyre {

template <typename Bytes>
Bytes counting_bytes() {
  Bytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

template <typename Bytes>
Bytes repeated_byte(unsigned value) {
  Bytes bytes{};
  bytes.fill(static_cast<std::byte>(value));
  return bytes;
}

inline Cuckoo3Layout example_layout() {
  return {
      {repeated_byte<Bytes16>(0x10), repeated_byte<Bytes16>(0x20), repeated_byte<Bytes16>(0x30)},
      repeated_byte<Bytes16>(0x40),
      ValueKind::ethereum_account,
      ethereum_account_value_bytes};
}

inline Metadata example_metadata() {
  Metadata metadata;
  metadata.geometry = {113, 36, 113};
  metadata.table = counting_bytes<Bytes16>();
  metadata.layout = example_layout();
  metadata.as_of_seq = 7;
  metadata.block_number = 19'000'000;
  metadata.state_root = counting_bytes<Bytes32>();
  return metadata;
}

// Any bytes, in every case.
template <typename Bytes>
Bytes arbitrary_bytes() {
  Bytes bytes{};
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(*anywhere_in(0, 256));
  return bytes;
}

// Any metadata that is consistent.
inline Metadata arbitrary_metadata() {
  Metadata metadata;
  const auto words = *anywhere_in<std::uint32_t>(1, 100);
  metadata.geometry.row_bytes = 4 * words;
  metadata.geometry.rows_per_page = *anywhere_in<std::uint32_t>(1, 200);
  metadata.geometry.rows =
      *anywhere_in<std::uint64_t>(1, 1U << 20U) * metadata.geometry.rows_per_page;
  metadata.table = arbitrary_bytes<Bytes16>();
  if (words >= 2 && *rc::gen::arbitrary<bool>()) {
    Cuckoo3Layout layout;
    for (Bytes16& seed : layout.seeds) seed = arbitrary_bytes<Bytes16>();
    layout.tag_key = arbitrary_bytes<Bytes16>();
    layout.value_bytes =
        *anywhere_in<std::uint32_t>(0, metadata.geometry.row_bytes - tag_bytes + 1);
    if (metadata.geometry.row_bytes == tag_bytes + ethereum_account_value_bytes) {
      layout.value = ValueKind::ethereum_account;
      layout.value_bytes = ethereum_account_value_bytes;
    }
    metadata.layout = layout;
  }
  metadata.as_of_seq = *rc::gen::arbitrary<std::uint64_t>();
  if (*rc::gen::arbitrary<bool>()) metadata.block_number = *rc::gen::arbitrary<std::uint64_t>();
  if (*rc::gen::arbitrary<bool>()) metadata.state_root = arbitrary_bytes<Bytes32>();
  return metadata;
}

}  // namespace gyre
