// How a pass is cut: which queries share a scan, chunks of the table, and what that takes of a
// device's memory. Pure functions of sizes.
#pragma once

#include <cstdint>

#include "backends/cuda/query_shape.hpp"
#include "backends/cuda/scan_work.hpp"
#include "backends/cuda/table_layout.hpp"

namespace gyre::cuda {

struct PassLimits {
  // Selection bits of a chunk, of all queries of a batch together.
  std::uint64_t selection_bytes = std::uint64_t{16} << 20U;
  // Of a batch, in the device's memory: accumulators (32 times the answers), selection bits, masks,
  // answers. Beside them are only keys, overlays and a few nodes. One query gets what it needs.
  std::uint64_t scratch_bytes = std::uint64_t{640} << 20U;
  std::uint32_t batch = 128;  // queries that share a scan, at most
  // Rows of overlays that go up with a pass's keys: room for so much is kept where there is some.
  std::uint64_t overlay_bytes = std::uint64_t{64} << 20U;
  // Tiers of the trees that are expanded chunk by chunk, 1 or 2; those above, for the whole table
  // at once: their nodes are few.
  unsigned chunk_tiers = 2;
  ScanRoute route = ScanRoute::and_xor;
};

// Where a chunk begins and ends. REQUIRES: `after` from another call, or a fresh chunk.
[[nodiscard]] Chunk next_chunk(const Chunk& after, const TableLayout& layout,
                               const QueryShape& shape, std::uint32_t slots,
                               const PassLimits& limits) noexcept;

// The most that a batch of so many queries takes of PassLimits::scratch_bytes.
[[nodiscard]] std::uint64_t scratch_for(const QueryShape& shape, std::uint32_t queries,
                                        const PassLimits& limits) noexcept;

// How many queries share a scan: as many as the limits allow, at least one.
[[nodiscard]] std::uint32_t batch_for(const QueryShape& shape, const PassLimits& limits) noexcept;

// What a batch takes of a device's memory beside overlays: bytes of each buffer.
struct PassNeeds {
  std::uint64_t masks = 0;  // three that there are twice
  std::uint64_t bits = 0;
  std::uint64_t nodes = 0;
  std::uint64_t upper_nodes = 0;  // twice, too
  std::uint64_t accumulators = 0;
  std::uint64_t plain = 0;
  std::uint64_t answers = 0;
  std::uint64_t parameters = 0;

  // The larger of both, buffer by buffer.
  void raise_to(const PassNeeds& other) noexcept;
};
[[nodiscard]] PassNeeds needs_of(const TableLayout& layout, const QueryShape& shape,
                                 std::uint32_t queries, const PassLimits& limits) noexcept;

// Leaves of a query's tree that a table takes.
[[nodiscard]] std::uint64_t leaves_of(const TableLayout& layout, const QueryShape& shape) noexcept;

}  // namespace gyre::cuda
