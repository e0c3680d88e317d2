// A snapshot of few keys, its feed, and the rows as a server has them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.hpp"
#include "core/random_source.hpp"
#include "harness/feed/feed_state.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/snapshot/build.hpp"
#include "harness/table/keyed_row.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::feed {

using Entries = std::map<std::string, std::string>;  // values without trailing zero bytes

inline constexpr std::uint32_t value_bytes = 8;

// Throws what would end the test anyway.
template <typename T>
T require(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline std::string csv_of(const Entries& entries) {
  std::string csv;
  for (const auto& [key, value] : entries) csv += key + "," + value + "\n";
  return csv;
}

// Builds table.rows, table.manifest.json and table.builder. Keys and values without commas and
// quotes.
inline snapshot::Manifest build_small(const TestDirectory& directory, const Entries& entries,
                                      double load = snapshot::max_load,
                                      std::uint64_t as_of_seq = 0) {
  snapshot::KeyedBuild build;
  build.input = directory.write("input.csv", csv_of(entries));
  build.syntax.header = snapshot::CsvHeader::absent;
  build.output = {directory.path(), "table"};
  build.origin.rows_per_page = 1;
  build.origin.as_of_seq = as_of_seq;
  build.value_bytes = value_bytes;
  build.load = load;
  SystemRandom random;
  return require(snapshot::build_keyed(build, random, {})).manifest;
}

inline FeedState open_feed(const TestDirectory& directory) {
  return require(FeedState::open(directory.path() / "table.feed.db",
                                 directory.path() / "table.manifest.json", {}));
}

// Rows as a server has them: what the snapshot says, and what batches made of it.
class ServedRows {
 public:
  ServedRows(const TestDirectory& directory, const snapshot::Manifest& manifest)
      : metadata_(manifest.metadata),
        layout_(std::get<Cuckoo3Layout>(metadata_.layout)),
        seq_(metadata_.as_of_seq) {
    const std::string rows = directory.read(manifest.file);
    const auto bytes = as_bytes(rows);
    rows_.assign(bytes.begin(), bytes.end());
  }

  // A batch in its binary form, which must be the next one.
  void apply(std::span<const std::byte> body) {
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    const UpdateBatch batch = require(protocol::decode_update_batch(
        text, protocol::Encoding::binary, {}, {{metadata_.table, metadata_.geometry.row_bytes}}));
    if (batch.seq != seq_ + 1 || batch.tables.size() != 1) throw std::runtime_error("wrong batch");
    seq_ = batch.seq;
    const TableUpdate& part = batch.tables[0];
    const std::size_t row_bytes = metadata_.geometry.row_bytes;
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      if (part.rows[i] >= metadata_.geometry.rows) throw std::runtime_error("no such row");
      std::copy_n(part.data.begin() + static_cast<std::ptrdiff_t>(i * row_bytes), row_bytes,
                  rows_.begin() + static_cast<std::ptrdiff_t>(part.rows[i] * row_bytes));
    }
  }

  // All batches of the feed that are not applied yet. Returns how many rows each has.
  std::vector<std::size_t> catch_up(FeedState& state) {
    std::vector<std::size_t> rows;
    for (const std::uint64_t last = require(state.last_seq()); seq_ < last;) {
      const auto body = require(state.batch(seq_ + 1));
      rows.push_back((body.value().size() - 36) / (8 + metadata_.geometry.row_bytes));
      apply(*body);
    }
    return rows;
  }

  // What a client finds, as a client looks for it; throws if the key is there twice.
  [[nodiscard]] std::optional<std::string> find(const std::string& key) const {
    std::map<std::uint64_t, std::string> found;
    for (const std::uint64_t row :
         table::candidates(layout_, metadata_.geometry.rows, as_bytes(key))) {
      const auto bytes = this->row(row);
      if (table::row_tag(bytes) != table::tag(layout_, as_bytes(key))) continue;
      const auto value = table::row_value(layout_, bytes);
      std::string text(reinterpret_cast<const char*>(value.data()), value.size());
      text.erase(text.find_last_not_of('\0') + 1);
      found[row] = text;
    }
    if (found.size() > 1) throw std::runtime_error("a key has two rows");
    if (found.empty()) return std::nullopt;
    return found.begin()->second;
  }

  // Rows that are not all zero.
  [[nodiscard]] std::uint64_t used_rows() const {
    std::uint64_t used = 0;
    for (std::uint64_t i = 0; i < metadata_.geometry.rows; ++i) {
      const auto bytes = row(i);
      if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) {
        ++used;
      }
    }
    return used;
  }

  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t seq() const noexcept { return seq_; }

 private:
  [[nodiscard]] std::span<const std::byte> row(std::uint64_t number) const {
    return std::span(rows_).subspan(static_cast<std::size_t>(number * metadata_.geometry.row_bytes),
                                    metadata_.geometry.row_bytes);
  }

  Metadata metadata_;
  Cuckoo3Layout layout_;
  std::uint64_t seq_;
  std::vector<std::byte> rows_;
};

}  // namespace gyre::feed
