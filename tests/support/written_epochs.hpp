// An epoch writer over small reference images, with what a test needs to make batches and bases and
// to see which rows an epoch has.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backends/reference/reference_backend.hpp"
#include "core/epoch_writer.hpp"
#include "core/retirer.hpp"
#include "harness/crypto/sha256.hpp"

namespace gyre {

using Rows = std::vector<std::byte>;

inline Bytes16 table_id(std::uint8_t number) {
  Bytes16 id{};
  id[0] = std::byte{number};
  return id;
}

// Rows in which every byte is the same.
inline Rows constant_rows(const Geometry& geometry, std::uint8_t value) {
  return Rows(geometry.bytes(), std::byte{value});
}

inline TableUpdate table_update(std::uint8_t table, std::uint32_t row_bytes,
                                const std::vector<std::pair<std::uint64_t, std::uint8_t>>& rows) {
  TableUpdate part{table_id(table), {}, {}};
  for (const auto& [row, value] : rows) {
    part.rows.push_back(row);
    part.data.insert(part.data.end(), row_bytes, std::byte{value});
  }
  return part;
}

inline std::shared_ptr<const Image> image_of(const Geometry& geometry, const Rows& rows) {
  ReferenceBackend backend;
  auto staging = backend.stage(geometry);
  if (!staging || !(*staging)->write(0, rows)) return nullptr;
  auto image = (*staging)->seal();
  return image ? *image : nullptr;
}

inline EpochWriter::Base base_of(std::uint8_t table, std::uint64_t as_of_seq,
                                 const Geometry& geometry, const Rows& rows) {
  EpochWriter::Base base;
  base.metadata.geometry = geometry;
  base.metadata.table = table_id(table);
  base.metadata.as_of_seq = as_of_seq;
  const std::array<Bytes32, 1> digests = {crypto::sha256(rows)};
  base.content_id = content_id(base.metadata, digests, crypto::sha256);
  base.images.push_back(image_of(geometry, rows));
  return base;
}

// All rows as a query would see them.
inline Rows rows_of(const Epoch& epoch) {
  const Geometry& geometry = epoch.metadata.geometry;
  Rows rows(geometry.bytes());
  if (!epoch.images.front()->read_rows(0, rows)) return {};
  for (std::uint64_t row = 0; row < geometry.rows; ++row) {
    epoch.overlay.apply_to_row(
        row, std::span(rows).subspan(row * geometry.row_bytes, geometry.row_bytes));
  }
  return rows;
}

// A server's epochs without the server.
struct WrittenEpochs {
  explicit WrittenEpochs(WriterLimits limits = {}, RetentionPolicy retention = {})
      : table("boot", retention, retirer), writer(table, crypto::sha256, limits) {}

  Result<EpochWriter::Installed> install(EpochWriter::Base base, bool discard_updates = false) {
    auto lock = writer.lock_rotation(std::chrono::seconds(60));
    if (!lock) return forward_error(lock);
    return writer.install(*lock, std::move(base), discard_updates);
  }
  Result<EpochWriter::Installed> roll_back(const EpochId& to, bool discard_updates = false) {
    auto lock = writer.lock_rotation(std::chrono::seconds(60));
    if (!lock) return forward_error(lock);
    return writer.roll_back(*lock, to, discard_updates);
  }
  Result<bool> compact() {
    auto lock = writer.lock_rotation(std::chrono::seconds(60));
    if (!lock) return forward_error(lock);
    return writer.compact(*lock);
  }
  EpochId id() const { return table.current()->epoch().id; }
  Rows rows() const { return rows_of(table.current()->epoch()); }

  Retirer retirer;
  EpochTable table;
  EpochWriter writer;
};

}  // namespace gyre
