#include "backends/cuda/overlay_rows.hpp"

#include <cstring>

namespace gyre::cuda {

OverlayRows append_rows(std::span<const OverlayBatch* const> batches, const TableLayout& layout,
                        std::span<const Chunk> chunks, ParameterBlock& block) {
  const std::uint64_t rows_of_chunk = chunks.front().end_page * layout.rows_per_page();
  const auto chunk_of = [&](std::uint64_t row) {
    return std::min<std::uint64_t>(row / rows_of_chunk, chunks.size() - 1);
  };
  OverlayRows sorted;
  // How many rows each chunk has; then where its next one goes, which in the end is behind its
  // last.
  sorted.chunk_ends.resize(chunks.size());
  std::uint64_t count = 0;
  for (const OverlayBatch* batch : batches) {
    count += batch->rows.size();
    for (const std::uint64_t row : batch->rows) ++sorted.chunk_ends[chunk_of(row)];
  }
  std::uint64_t before = 0;
  for (std::uint64_t& next : sorted.chunk_ends) {
    before += next;
    next = before - next;
  }

  const std::uint64_t row_bytes = layout.row_words * sizeof(std::uint32_t);
  sorted.rows_at = block.extend(count * sizeof(std::uint64_t));
  sorted.differences_at = block.extend(count * row_bytes);
  auto* const rows = reinterpret_cast<std::uint64_t*>(block.data() + sorted.rows_at);
  std::byte* const differences = block.data() + sorted.differences_at;
  for (const OverlayBatch* batch : batches) {
    const std::byte* difference = batch->differences.data();
    for (const std::uint64_t row : batch->rows) {
      const std::uint64_t place = sorted.chunk_ends[chunk_of(row)]++;
      rows[place] = row;
      std::memcpy(differences + place * row_bytes, difference, row_bytes);
      difference += row_bytes;
    }
  }
  return sorted;
}

}  // namespace gyre::cuda
