// Small snapshots on disk and over HTTP, whose rows are a function of (base, row), and batches
// whose rows are one of (seq, row): a mixed answer tells what it was mixed of.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "fault_injection/contents.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/snapshot/chunk_digester.hpp"
#include "harness/snapshot/manifest.hpp"
#include "harness/source/policy.hpp"
#include "harness/table/keyed_row.hpp"
#include "tests/support/hostile_origin.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::faults {

// Eight pages lie interleaved, two behind them; the last row is the last of a page. A row is a tag
// and eight bytes of value.
// Two groups of eight pages and a tail, so that passes on the host can have two parts.
inline constexpr Geometry geometry{40, 16, 2};
inline constexpr std::uint64_t batch_rows = 5;
inline constexpr unsigned table_keys = 12;

inline Bytes16 table_of_base(unsigned base) {
  Bytes16 table{};
  table.fill(static_cast<std::byte>(base / 2 + 1));  // two bases each
  return table;
}

inline std::vector<std::byte> key_of(unsigned number) {
  const std::string text = "key-" + std::to_string(number);
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

// Which key has which row in a table: never changed by a batch, which changes values alone.
class Placement {
 public:
  explicit Placement(const Bytes16& table) {
    layout_.tag_key = table;
    layout_.value_bytes = geometry.row_bytes - tag_bytes;
    for (std::size_t i = 0; i < layout_.seeds.size(); ++i) {
      layout_.seeds[i] = table;
      layout_.seeds[i][0] = static_cast<std::byte>(100 + i);
    }
    for (unsigned number = 0; number < table_keys; ++number) {
      const auto key = key_of(number);
      const auto rows = table::candidates(layout_, geometry.rows, key);
      const auto free = std::ranges::find_if(rows, [this](auto row) { return tags_[row] == 0; });
      if (free == rows.end()) throw std::logic_error("the keys do not fit");
      tags_[*free] = table::tag(layout_, key);
      rows_.push_back(*free);
    }
  }

  [[nodiscard]] const Cuckoo3Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] std::uint64_t tag_at(std::uint64_t row) const { return tags_[row]; }
  // REQUIRES: number < table_keys; other keys are not there.
  [[nodiscard]] std::uint64_t row_of_key(unsigned number) const { return rows_[number]; }

 private:
  Cuckoo3Layout layout_;
  std::array<std::uint64_t, geometry.rows> tags_{};
  std::vector<std::uint64_t> rows_;
};

inline const Placement& placement_of_base(unsigned base) {
  static const std::array<Placement, 2> placements = {Placement(table_of_base(0)),
                                                      Placement(table_of_base(2))};
  return placements[base / 2];
}

inline void store_row(std::vector<std::byte>& rows, unsigned base, std::uint32_t kind,
                      std::uint32_t number, std::uint64_t row) {
  append_little_endian(rows, placement_of_base(base).tag_at(row));
  append_little_endian(rows, static_cast<std::uint32_t>(kind << 24U | number));
  append_little_endian(rows,
                       static_cast<std::uint32_t>((row + base * 100) * 0x9e37'79b9U + number));
}

// A batch for the tables of all bases. `variant` makes another one of the same number.
inline UpdateBatch batch_of(std::uint64_t seq, std::uint32_t variant = 0,
                            const std::vector<unsigned>& bases = {0, 2}) {
  UpdateBatch batch{seq, {}};
  for (const unsigned base : bases) {
    TableUpdate part{table_of_base(base), {}, {}};
    // The last row of the table is in every batch.
    for (std::uint64_t i = 0; i < batch_rows; ++i) {
      part.rows.push_back((seq * 7 + i * 9 + base) % geometry.rows);
    }
    part.rows.push_back(geometry.rows - 1);
    std::sort(part.rows.begin(), part.rows.end());
    part.rows.erase(std::unique(part.rows.begin(), part.rows.end()), part.rows.end());
    for (const std::uint64_t row : part.rows) {
      store_row(part.data, base, 2 + variant, static_cast<std::uint32_t>(seq), row);
    }
    batch.tables.push_back(std::move(part));
  }
  return batch;
}

// Bases 0 … 3, each as of the feed's position 0: two of one table, two of another.
class TestSnapshots {
 public:
  static constexpr unsigned bases = 4;

  TestSnapshots() : origin_([this](OriginPeer& peer) { serve(peer); }) {
    for (unsigned base = 0; base < bases; ++base) {
      std::vector<std::byte> rows;
      for (std::uint64_t row = 0; row < geometry.rows; ++row) store_row(rows, base, 1, base, row);
      snapshot::Manifest manifest;
      manifest.metadata.geometry = geometry;
      manifest.metadata.table = table_of_base(base);
      manifest.metadata.layout = placement_of_base(base).layout();
      manifest.keys = table_keys;
      manifest.metadata.block_number = 1'000 + base;
      manifest.file = "base-" + std::to_string(base) + ".rows";
      snapshot::ChunkDigester digester;
      digester.update(rows);
      auto digests = digester.finish();
      manifest.chunk_digests = std::move(digests.chunks);
      manifest.sha256 = digests.whole;
      manifest.content_id = content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256);
      directory_.write(manifest.file, {reinterpret_cast<const char*>(rows.data()), rows.size()});
      directory_.write(manifest.file + ".manifest.json", snapshot::manifest_to_text(manifest));
      manifests_.push_back(std::move(manifest));
      rows_.push_back(std::move(rows));
    }
  }

  [[nodiscard]] source::SourcePolicy policy() const {
    source::SourcePolicy policy;
    policy.local_root = directory_.path();
    policy.allowed_hosts = {"127.0.0.1:" + origin_.port_text()};
    policy.allowed_networks = {"127.0.0.0/8"};
    policy.allow_plain_http = true;
    return policy;
  }

  [[nodiscard]] const snapshot::Manifest& manifest(unsigned base) const { return manifests_[base]; }
  [[nodiscard]] const std::vector<std::byte>& rows(unsigned base) const { return rows_[base]; }

  [[nodiscard]] protocol::SnapshotRequest by_manifest(unsigned base) const {
    return {protocol::ManifestSnapshot{"file:///" + manifests_[base].file + ".manifest.json"},
            false};
  }
  [[nodiscard]] protocol::SnapshotRequest over_http(unsigned base) const {
    return {protocol::ManifestSnapshot{"http://127.0.0.1:" + origin_.port_text() + "/" +
                                       manifests_[base].file + ".manifest.json"},
            false};
  }
  [[nodiscard]] protocol::SnapshotRequest raw(unsigned base) const {
    return {protocol::RawSnapshot{"file:///" + manifests_[base].file, manifests_[base].sha256,
                                  manifests_[base].metadata},
            false};
  }

  // What base 1 is when its rows are built into a snapshot without keys.
  [[nodiscard]] snapshot::Manifest without_keys() const {
    snapshot::Manifest manifest = manifests_[1];
    manifest.metadata.layout = IndexLayout{};
    manifest.keys.reset();
    manifest.content_id = content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256);
    return manifest;
  }

  // The root of local sources.
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }

  void add_all_to(fault_injection::Contents& contents) const {
    for (unsigned base = 0; base < bases; ++base) {
      contents.add_base(manifests_[base].content_id, manifests_[base].metadata, rows_[base]);
    }
    const auto twin = without_keys();
    contents.add_base(twin.content_id, twin.metadata, rows_[1]);
  }

 private:
  void serve(OriginPeer& peer) const {
    const std::string request = peer.read_request();
    if (request.empty()) return;  // whoever connected was cancelled
    const std::size_t begin = request.find("/") + 1;
    const std::string name = request.substr(begin, request.find(' ', begin) - begin);
    const std::string body = directory_.read(name);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  }

  TestDirectory directory_;
  std::vector<snapshot::Manifest> manifests_;
  std::vector<std::vector<std::byte>> rows_;
  HostileOrigin origin_;  // last: it serves the others
};

}  // namespace gyre::faults
