// Rows that come in any order, put into the order of the rows file in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/snapshot/file.hpp"

namespace gyre::snapshot {

// The table is cut into windows of consecutive rows. A row is appended to its window's region of an
// unnamed file; in the end window after window is read back, filled in memory, and handed on. So
// every byte is written and read once, whatever the table's size. One thread at a time.
class RowAssembler {
 public:
  // `rows` are the numbers of all the rows that will be added. REQUIRES: fewer than 2^32 rows.
  [[nodiscard]] static Result<RowAssembler> create(
      const Geometry& geometry, std::span<const std::uint32_t> rows,
      const std::filesystem::path& directory, std::uint64_t window_bytes = default_window_bytes);

  // REQUIRES: row.size() == row_bytes; as many rows of each window as create() was told.
  [[nodiscard]] Result<void> add(std::uint32_t number, std::span<const std::byte> row);

  // After the last add(): all rows of the table in order, piece by piece, zero where none was
  // added.
  using Sink = std::function<Result<void>(std::span<const std::byte> rows)>;
  [[nodiscard]] Result<void> finish(const Sink& sink);

  static constexpr std::uint64_t default_window_bytes = std::uint64_t{1} << 26U;

 private:
  struct Window {
    std::uint64_t region = 0;  // where its rows begin in the file, bytes
    std::uint64_t written = 0;
    std::vector<std::byte> buffer;
  };

  RowAssembler(const Geometry& geometry, File file) noexcept;
  [[nodiscard]] Result<void> flush(Window& window);

  Geometry geometry_;
  File file_;
  std::uint64_t rows_per_window_ = 0;
  std::vector<Window> windows_;
};

}  // namespace gyre::snapshot
