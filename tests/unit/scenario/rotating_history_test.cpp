// The plan of a rotation scenario, held against what its files and batches really contain.
#include "harness/scenario/rotating_history.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "harness/crypto/sha256.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::scenario {
namespace {

class RotatingHistoryTest : public testing::Test {
 protected:
  RotatingHistoryTest() {
    SeededRandom random(7);
    auto made = RotatingHistory::create({std::uint64_t{64} << 10U, 3, 12, 20}, random,
                                        directory_->path(), [](auto, auto, auto) {});
    if (!made) throw std::runtime_error(made.error().message);
    history_ = std::move(*made);
  }

  std::vector<std::byte> rows_of(std::size_t base) const {
    std::ifstream file(directory_->path() / history_->manifest(base).file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
    return {begin, begin + text.size()};
  }

  // What a client finds for the key.
  static std::vector<std::byte> look_up(const Metadata& metadata, std::span<const std::byte> rows,
                                        std::uint64_t number) {
    const auto& layout = std::get<Cuckoo3Layout>(metadata.layout);
    const auto key = RotatingHistory::key(number);
    for (const std::uint64_t row : table::candidates(layout, metadata.geometry.rows, key)) {
      const auto bytes =
          rows.subspan(row * metadata.geometry.row_bytes, metadata.geometry.row_bytes);
      if (table::row_tag(bytes) != table::tag(layout, key)) continue;
      const auto value = table::row_value(layout, bytes);
      return {value.begin(), value.end()};
    }
    return {};
  }

  Result<TemporaryDirectory> directory_ = TemporaryDirectory::create();
  std::optional<RotatingHistory> history_;
};

TEST_F(RotatingHistoryTest, ExpectsWhatTheFilesAndBatchesMake) {
  for (std::size_t base = 0; base <= 3; ++base) {
    const snapshot::Manifest& manifest = history_->manifest(base);
    std::vector<std::byte> rows = rows_of(base);
    ASSERT_EQ(rows.size(), manifest.metadata.geometry.bytes());
    EXPECT_EQ(crypto::sha256(rows), manifest.sha256);
    EpochId id = EpochId::of_base(manifest.content_id, manifest.metadata.as_of_seq);
    const std::uint32_t row_bytes = manifest.metadata.geometry.row_bytes;
    // As far as batches have parts for its table: until the base after the next.
    const std::uint64_t last = base + 2 <= 3 ? history_->manifest(base + 2).metadata.as_of_seq
                                             : history_->batches().size();
    for (std::uint64_t seq = id.seq;; ++seq) {
      for (std::uint64_t key = 0; key < history_->keys(); ++key) {
        const auto expected = history_->expected(id, key);
        ASSERT_TRUE(expected);
        ASSERT_EQ(look_up(manifest.metadata, rows, key), expected->encode()) << base << ' ' << seq;
      }
      if (seq == last) break;
      const UpdateBatch& batch = history_->batches()[seq];
      ASSERT_EQ(batch.seq, seq + 1);
      ASSERT_TRUE(check_well_formed(batch));
      id = id.after(batch.seq, binary_form(batch), crypto::sha256);
      bool applied = false;
      for (const TableUpdate& part : batch.tables) {
        if (part.table != manifest.metadata.table) continue;
        applied = true;
        for (std::size_t i = 0; i < part.rows.size(); ++i) {
          std::copy_n(part.data.begin() + static_cast<std::ptrdiff_t>(i * row_bytes), row_bytes,
                      rows.begin() + static_cast<std::ptrdiff_t>(part.rows[i] * row_bytes));
        }
      }
      ASSERT_TRUE(applied) << "batch " << batch.seq << " has no part for base " << base;
    }
  }
}

TEST_F(RotatingHistoryTest, EveryOtherBaseIsANewTable) {
  EXPECT_EQ(history_->manifest(1).metadata.table, history_->manifest(0).metadata.table);
  EXPECT_NE(history_->manifest(2).metadata.table, history_->manifest(1).metadata.table);
  EXPECT_EQ(history_->manifest(3).metadata.table, history_->manifest(2).metadata.table);
  EXPECT_NE(history_->manifest(1).content_id, history_->manifest(0).content_id);
}

TEST_F(RotatingHistoryTest, KnowsNoEpochOutsideThePlan) {
  EpochId id = EpochId::of_base(history_->manifest(0).content_id, 0);
  EXPECT_TRUE(history_->expected(id, 0));
  id.chain[0] = std::byte{1};
  EXPECT_FALSE(history_->expected(id, 0));
  id = EpochId::of_base(history_->manifest(0).content_id, 5);
  EXPECT_FALSE(history_->expected(id, 0));
}

}  // namespace
}  // namespace gyre::scenario
