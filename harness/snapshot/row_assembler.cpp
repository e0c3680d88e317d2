#include "harness/snapshot/row_assembler.hpp"

#include <algorithm>
#include <utility>

#include "core/bytes.hpp"

namespace gyre::snapshot {
namespace {

// More windows would need more memory for their buffers than they save.
constexpr std::uint64_t max_windows = 2048;
constexpr std::size_t window_buffer_bytes = std::size_t{1} << 16U;
constexpr std::size_t number_bytes = sizeof(std::uint32_t);

}  // namespace

RowAssembler::RowAssembler(const Geometry& geometry, File file) noexcept
    : geometry_(geometry), file_(std::move(file)) {}

Result<RowAssembler> RowAssembler::create(const Geometry& geometry,
                                          std::span<const std::uint32_t> rows,
                                          const std::filesystem::path& directory,
                                          std::uint64_t window_bytes) {
  auto file = File::unnamed(directory, "a temporary file in the output directory");
  if (!file) return forward_error(file);
  RowAssembler assembler(geometry, std::move(*file));
  assembler.rows_per_window_ = std::max({std::uint64_t{1}, window_bytes / geometry.row_bytes,
                                         divide_rounding_up(geometry.rows, max_windows)});
  assembler.windows_.resize(
      static_cast<std::size_t>(divide_rounding_up(geometry.rows, assembler.rows_per_window_)));
  // First how much is in each region, then where each begins.
  for (const std::uint32_t row : rows) {
    assembler.windows_[static_cast<std::size_t>(row / assembler.rows_per_window_)].region +=
        number_bytes + geometry.row_bytes;
  }
  std::uint64_t begin = 0;
  for (Window& window : assembler.windows_) {
    begin += std::exchange(window.region, begin);
  }
  return assembler;
}

Result<void> RowAssembler::add(std::uint32_t number, std::span<const std::byte> row) {
  Window& window = windows_[static_cast<std::size_t>(number / rows_per_window_)];
  if (window.buffer.size() + number_bytes + row.size() > window_buffer_bytes) {
    auto flushed = flush(window);
    if (!flushed) return flushed;
  }
  append_little_endian(window.buffer, number);
  window.buffer.insert(window.buffer.end(), row.begin(), row.end());
  return {};
}

Result<void> RowAssembler::flush(Window& window) {
  auto written = file_.write_at(window.region + window.written, window.buffer);
  window.written += window.buffer.size();
  window.buffer.clear();
  return written;
}

Result<void> RowAssembler::finish(const Sink& sink) {
  for (Window& window : windows_) {
    auto flushed = flush(window);
    if (!flushed) return flushed;
    std::vector<std::byte>().swap(window.buffer);
  }
  std::vector<std::byte> rows;
  std::vector<std::byte> number(number_bytes);
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    const std::uint64_t first_row = i * rows_per_window_;
    const std::uint64_t row_count = std::min(rows_per_window_, geometry_.rows - first_row);
    rows.assign(static_cast<std::size_t>(row_count * geometry_.row_bytes), std::byte{0});
    BufferedReader reader(file_, windows_[i].region);
    const std::uint64_t in_window = windows_[i].written / (number_bytes + geometry_.row_bytes);
    for (std::uint64_t j = 0; j < in_window; ++j) {
      auto read = reader.read(number);
      if (!read) return read;
      const std::uint64_t row = load_little_endian<std::uint32_t>(number.data()) - first_row;
      read = reader.read(std::span(rows).subspan(
          static_cast<std::size_t>(row * geometry_.row_bytes), geometry_.row_bytes));
      if (!read) return read;
    }
    auto taken = sink(rows);
    if (!taken) return taken;
  }
  return {};
}

}  // namespace gyre::snapshot
