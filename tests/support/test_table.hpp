// Small tables whose bytes say where they belong: a row is a function of (table, row), so a wrong
// answer identifies itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch_table.hpp"

namespace gyre {

inline std::byte test_byte(unsigned table, std::uint64_t row, std::size_t offset) {
  return static_cast<std::byte>((table + 1) * 151 + row * 31 + (row >> 8U) * 7 + offset * 113);
}

// Rows first … first + count - 1.
inline std::vector<std::byte> test_rows(unsigned table, const Geometry& geometry,
                                        std::uint64_t first, std::uint64_t count) {
  std::vector<std::byte> bytes;
  for (std::uint64_t row = first; row < first + count; ++row) {
    for (std::size_t i = 0; i < geometry.row_bytes; ++i) bytes.push_back(test_byte(table, row, i));
  }
  return bytes;
}

inline std::shared_ptr<const Image> test_image(Backend& backend, unsigned table,
                                               const Geometry& geometry) {
  auto staging = backend.stage(geometry);
  if (!staging || !(*staging)->write(0, test_rows(table, geometry, 0, geometry.rows))) {
    throw std::runtime_error("a test table could not be staged");
  }
  auto image = (*staging)->seal();
  if (!image) throw std::runtime_error("a test table could not be sealed");
  return *image;
}

inline Epoch test_epoch(unsigned table, std::shared_ptr<const Image> image) {
  Epoch epoch;
  epoch.content_id.fill(static_cast<std::byte>(table + 1));
  epoch.id = EpochId::of_base(epoch.content_id, 0);
  epoch.metadata.geometry = image->geometry();
  epoch.images = {std::move(image)};
  return epoch;
}

inline void publish(EpochTable& epochs, Epoch epoch) {
  auto prepared = epochs.prepare(std::move(epoch));
  if (!prepared) throw std::runtime_error("a test epoch could not be prepared");
  epochs.publish(std::move(*prepared));
}

}  // namespace gyre
