#include "core/metadata.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <functional>
#include <vector>

#include "core/bytes.hpp"
#include "core/digest.hpp"
#include "harness/crypto/sha256.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre {
namespace {

// The constants here come from Python's struct and hashlib, not from this code.

TEST(CanonicalHeader, OfAKeyedTableIsTheDocumentedBytes) {
  EXPECT_EQ(to_hex(canonical_header(example_metadata())),
            "47594831"
            "01000000"
            "7100000000000000"
            "24000000"
            "71000000"
            "000102030405060708090a0b0c0d0e0f"
            "01"
            "10101010101010101010101010101010"
            "20202020202020202020202020202020"
            "30303030303030303030303030303030"
            "40404040404040404040404040404040"
            "01"
            "1c000000"
            "01"
            "c0ea210100000000"
            "01"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "0700000000000000");
}

TEST(CanonicalHeader, OfAnIndexTableIsTheDocumentedBytes) {
  Metadata metadata;
  metadata.geometry = {3, 4, 1};
  metadata.table = repeated_byte<Bytes16>(0xaa);
  EXPECT_EQ(to_hex(canonical_header(metadata)),
            "47594831"
            "01000000"
            "0300000000000000"
            "04000000"
            "01000000"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "00"
            "00"
            "0000000000000000"
            "00"
            "0000000000000000000000000000000000000000000000000000000000000000"
            "0000000000000000");
}

TEST(ContentId, OfTheDocumentedExamples) {
  // 113 empty rows of 36 bytes.
  const std::vector<std::byte> rows(113 * 36);
  const std::vector<Bytes32> digests = {crypto::sha256(rows)};
  EXPECT_EQ(to_hex(digests[0]), "82157990b9779e85009dedc480826401c92b75040a75c6a7b3b0d9c418cf700b");
  EXPECT_EQ(to_hex(content_id(example_metadata(), digests, crypto::sha256)),
            "a0078edc333528e4d1761b0bc18fd5a1df3a94dec011aa3e69e0938cbc436059");

  Metadata indexed;
  indexed.geometry = {3, 4, 1};
  indexed.table = repeated_byte<Bytes16>(0xaa);
  const std::vector<Bytes32> indexed_digests = {
      crypto::sha256(counting_bytes<std::array<std::byte, 12>>())};
  EXPECT_EQ(to_hex(content_id(indexed, indexed_digests, crypto::sha256)),
            "a442eb25e7813bc581912eb71fcf7b719800562fb544c5b59a6971da5e2c8183");
}

TEST(ContentId, ChangesWithEveryField) {
  using Change = std::function<void(Metadata&)>;
  const auto layout = [](Metadata& m) -> Cuckoo3Layout& {
    return std::get<Cuckoo3Layout>(m.layout);
  };
  const std::vector<Change> changes = {
      [](Metadata& m) { m.geometry.rows *= 2; },
      [](Metadata& m) { m.geometry.row_bytes += 4; },
      [](Metadata& m) { m.geometry.rows_per_page = 1; },
      [](Metadata& m) { m.table[15] ^= std::byte{1}; },
      [](Metadata& m) { m.layout = IndexLayout{}; },
      [&](Metadata& m) { layout(m).seeds[0][0] ^= std::byte{1}; },
      [&](Metadata& m) { std::swap(layout(m).seeds[0], layout(m).seeds[1]); },
      [&](Metadata& m) { layout(m).seeds[2][15] ^= std::byte{128}; },
      [&](Metadata& m) { layout(m).tag_key[7] ^= std::byte{1}; },
      [&](Metadata& m) { layout(m).value = ValueKind::bytes; },
      [&](Metadata& m) { layout(m).value_bytes = 27; },
      [](Metadata& m) { m.as_of_seq = 8; },
      [](Metadata& m) { m.block_number = 19'000'001; },
      [](Metadata& m) { m.block_number = 0; },
      [](Metadata& m) { m.block_number.reset(); },
      [](Metadata& m) { m.state_root = Bytes32{}; },
      [](Metadata& m) { m.state_root.reset(); },
  };
  const std::vector<Bytes32> digests(1);
  std::vector<Bytes32> ids = {content_id(example_metadata(), digests, crypto::sha256)};
  for (const Change& change : changes) {
    Metadata changed = example_metadata();
    change(changed);
    ids.push_back(content_id(changed, digests, crypto::sha256));
  }
  ids.push_back(content_id(example_metadata(), std::vector<Bytes32>(2), crypto::sha256));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]) << i << " and " << j;
  }
}

RC_GTEST_PROP(CanonicalHeader, DiffersForDifferentMetadata, ()) {
  const Metadata a = arbitrary_metadata();
  const Metadata b = arbitrary_metadata();
  RC_ASSERT((canonical_header(a) == canonical_header(b)) == (a == b));
  RC_ASSERT(canonical_header(a) == canonical_header(Metadata(a)));
}

RC_GTEST_PROP(CheckConsistent, AcceptsWhatIsConsistent, ()) {
  RC_ASSERT(check_consistent(arbitrary_metadata()).has_value());
}

TEST(CheckConsistent, RefusesRowsThatCannotHoldTheirValue) {
  Metadata metadata = example_metadata();
  auto& layout = std::get<Cuckoo3Layout>(metadata.layout);
  layout.value = ValueKind::bytes;
  layout.value_bytes = 28;
  EXPECT_TRUE(check_consistent(metadata));
  layout.value_bytes = 29;
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::geometry_mismatch);
  layout.value_bytes = 0xFFFF'FFFF;  // must not wrap around
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::geometry_mismatch);
}

TEST(CheckConsistent, RefusesAccountsOfAnotherSize) {
  Metadata metadata = example_metadata();
  std::get<Cuckoo3Layout>(metadata.layout).value_bytes = 24;
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::geometry_mismatch);
  metadata = example_metadata();
  metadata.geometry.row_bytes = 40;
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::geometry_mismatch);
}

TEST(CheckConsistent, RefusesAnImpossibleGeometry) {
  Metadata metadata;
  metadata.geometry = {3, 5, 1};
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::geometry_mismatch);
  metadata.geometry = {3, 4, 2};
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::misaligned_size);
  metadata.geometry = {0, 4, 1};
  EXPECT_EQ(code_of(check_consistent(metadata)), ErrorCode::empty_snapshot);
}

}  // namespace
}  // namespace gyre
