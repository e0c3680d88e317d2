// What a scan is given, whichever kernel does it, and which one that is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "backends/cuda/query_shape.hpp"

namespace gyre::cuda {

// The ways to scan for many queries, all exact; a single query has one way. The last two are for
// records that are multiples of 16 bytes, others take the first.
enum class ScanRoute : std::uint8_t {
  and_xor,       // 32-bit AND and XOR on accumulators in registers
  tensor_bits,   // tensor cores count bits: products of binary matrices
  tensor_bytes,  // tensor cores count bytes of 0 and 1: products of int8 matrices
};
inline constexpr ScanRoute scan_routes[] = {ScanRoute::and_xor, ScanRoute::tensor_bits,
                                            ScanRoute::tensor_bytes};

// What a route is called in options and results.
[[nodiscard]] constexpr std::string_view name_of(ScanRoute route) noexcept {
  switch (route) {
    case ScanRoute::and_xor:
      return "and-xor";
    case ScanRoute::tensor_bits:
      return "tensor-bits";
    case ScanRoute::tensor_bytes:
      return "tensor-bytes";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::optional<ScanRoute> route_of_name(std::string_view name) noexcept {
  for (const ScanRoute route : scan_routes) {
    if (name_of(route) == name) return route;
  }
  return std::nullopt;
}

// What a thread keeps in registers, or a warp with matrix products. A run-time choice among the
// instances of ScanStep and TensorStep.
struct ScanTile {
  unsigned vector = 0;   // words of a load: 4, or 1 for rows that are no multiple of 16 bytes
  unsigned columns = 0;  // of a thread, a divisor of 32
  unsigned queries = 0;  // a set
  ScanRoute route = ScanRoute::and_xor;

  // So many groups a step of the scan takes at once.
  [[nodiscard]] constexpr std::uint32_t groups_together() const noexcept {
    switch (route) {
      case ScanRoute::tensor_bits:
        return 8;
      case ScanRoute::tensor_bytes:
        return 4;
      case ScanRoute::and_xor:
        break;
    }
    return 1;
  }
  friend constexpr bool operator==(const ScanTile&, const ScanTile&) = default;
};

// The tile for that many queries: the smallest set that holds them, or the largest. Rows change
// their masks from load to load, so more columns share one there.
[[nodiscard]] constexpr ScanTile tile_for(const QueryShape& shape, ScanRoute route,
                                          std::uint32_t queries) noexcept {
  const bool of_rows = shape.records_per_page > 1;
  const bool aligned = !of_rows || shape.record_words % 4 == 0;
  if (queries == 1) return {aligned ? 4U : 1U, 8, 1};
  if (route != ScanRoute::and_xor && aligned && queries > 8) {
    return {4, 0, queries <= 32 ? 32U : 128U, route};
  }
  if (!aligned) return {1, 16, 8};
  if (queries <= 8 || of_rows) return {4, 4, 8};
  return {4, 1, 32};
}

// Queries and what fills up their last set.
[[nodiscard]] constexpr std::uint32_t slots_for(const ScanTile& tile,
                                                std::uint32_t queries) noexcept {
  return (queries + tile.queries - 1) / tile.queries * tile.queries;
}

// Where a chunk's masks lie: for each group and each record of its pages one word a query slot.
// Matrix products take 4 or 8 groups together, a group a lane, or two: what a lane holds, groups g
// and g + 4 of 8, lies side by side. Masks of groups that fill up the last 4 or 8 are zeros.
struct MaskLayout {
  std::uint32_t records_per_page = 0;
  std::uint32_t slots = 0;
  std::uint32_t groups_together = 1;  // 1, 4 or 8

  [[nodiscard]] constexpr std::uint64_t groups(std::uint64_t of_chunk) const noexcept {
    return (of_chunk + groups_together - 1) / groups_together * groups_together;
  }
  [[nodiscard]] constexpr std::uint64_t words(std::uint64_t groups_of_chunk) const noexcept {
    return groups(groups_of_chunk) * records_per_page * slots;
  }
  [[nodiscard]] constexpr std::uint64_t index(std::uint64_t group, std::uint32_t position,
                                              std::uint32_t slot) const noexcept {
    const std::uint32_t lanes = groups_together < 4 ? groups_together : 4;
    const std::uint32_t groups_a_lane = groups_together / lanes;
    const std::uint64_t place =
        (group / groups_together * records_per_page + position) * lanes + group % lanes;
    return (place * slots + slot) * groups_a_lane + group / lanes % groups_a_lane;
  }
  // From a record of a page to the next one.
  [[nodiscard]] constexpr std::uint64_t position_stride() const noexcept {
    return std::uint64_t{slots} * groups_together;
  }
};

struct ScanWork {
  TableLayout layout;
  QueryShape shape;
  const std::uint32_t* image = nullptr;
  const std::uint32_t* masks =
      nullptr;                    // of MaskStep: [group of the chunk][record of the page][slot]
  std::uint64_t first_group = 0;  // of the chunk
  std::uint64_t groups = 0;
  std::uint32_t slots = 0;                // a multiple of the tile's queries
  std::uint32_t segments = 1;             // into which the groups are dealt, one after another
  std::uint32_t* accumulators = nullptr;  // [slot][bit][word of a record]

  [[nodiscard]] constexpr MaskLayout mask_layout(std::uint32_t groups_together) const noexcept {
    return {shape.records_per_page, slots, groups_together};
  }
  // Into how many segments to deal `units`, where so many blocks are resident on a GPU at once. A
  // grid takes as many rounds as it fills, the last one no shorter for being half empty, and a
  // round as long as its longest segment; of several rounds, blocks that differ even out.
  [[nodiscard]] static constexpr std::uint32_t segments_for(std::uint64_t units,
                                                            std::uint64_t blocks_a_segment,
                                                            std::uint64_t resident) noexcept {
    constexpr std::uint64_t most_rounds = 4;
    const std::uint64_t wanted = most_rounds * resident / blocks_a_segment;
    const std::uint64_t most = wanted < units ? wanted : units;
    std::uint64_t best = 1;
    std::uint64_t least_time = 0;
    for (std::uint64_t some = most / 2 + 1; some <= most; ++some) {
      const std::uint64_t rounds = (some * blocks_a_segment + resident - 1) / resident;
      const std::uint64_t time = rounds * ((units + some - 1) / some);
      if (least_time != 0 && time > least_time) continue;
      best = some;
      least_time = time;
    }
    return static_cast<std::uint32_t>(best);
  }
};

}  // namespace gyre::cuda
