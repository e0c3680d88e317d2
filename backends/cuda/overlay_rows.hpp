// The updated rows of an overlay as a pass takes them: chunk by chunk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/cuda/parameter_block.hpp"
#include "backends/cuda/query_shape.hpp"
#include "backends/cuda/table_layout.hpp"
#include "core/overlay.hpp"

namespace gyre::cuda {

// Where they lie in a block of parameters, bytes from its begin: numbers of rows, and differences
// in the same order. A row that several batches change is there for each of them.
struct OverlayRows {
  std::uint64_t rows_at = 0;
  std::uint64_t differences_at = 0;
  std::vector<std::uint64_t> chunk_ends;  // behind the last row of each chunk

  // Those of a chunk: the first one, and how many.
  [[nodiscard]] std::uint64_t first(std::size_t chunk) const noexcept {
    return chunk == 0 ? 0 : chunk_ends[chunk - 1];
  }
  [[nodiscard]] std::uint64_t count(std::size_t chunk) const noexcept {
    return chunk_ends[chunk] - first(chunk);
  }
};

// Appends the rows of some batches. REQUIRES: batches of a table of that layout, and all its
// chunks, of which only the last may have another number of pages than the first. May throw
// bad_alloc.
[[nodiscard]] OverlayRows append_rows(std::span<const OverlayBatch* const> batches,
                                      const TableLayout& layout, std::span<const Chunk> chunks,
                                      ParameterBlock& block);

}  // namespace gyre::cuda
