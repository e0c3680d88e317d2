#include "backends/cuda/pass_plan.hpp"

#include <algorithm>

#include "backends/cuda/any_scan_step.hpp"
#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "core/dpf/expand.hpp"

namespace gyre::cuda {
namespace {

constexpr std::uint64_t leaf_bytes = sizeof(dpf::Block);
constexpr std::uint64_t word_bytes = sizeof(std::uint32_t);

// Chunks begin with a page whose first record begins a leaf, and if they are large with one that
// begins a thread block's nodes.
constexpr std::uint64_t leaf_pages = 128;
constexpr std::uint64_t window_pages = leaf_pages * ExpandStep::nodes_per_block;

// What lies before a block of parameters at most, so that it begins where it may.
constexpr std::uint64_t parameter_alignment = 16;

}  // namespace

std::uint64_t leaves_of(const TableLayout& layout, const QueryShape& shape) noexcept {
  return dpf::leaves_for(layout.pages * shape.records_per_page);
}

Chunk next_chunk(const Chunk& after, const TableLayout& layout, const QueryShape& shape,
                 std::uint32_t slots, const PassLimits& limits) noexcept {
  std::uint64_t pages =
      limits.selection_bytes / slots * 8 / shape.records_per_page / leaf_pages * leaf_pages;
  if (pages > window_pages) pages = pages / window_pages * window_pages;
  pages = std::max(pages, leaf_pages);
  const std::uint64_t first = after.end_page;
  // Less than a chunk's least is not left over for a chunk of its own.
  const std::uint64_t left = layout.pages - first;
  return {first, left < pages + leaf_pages ? layout.pages : first + pages};
}

std::uint64_t scratch_for(const QueryShape& shape, std::uint32_t queries,
                          const PassLimits& limits) noexcept {
  const ScanTile tile = tile_for(shape, limits.route, queries);
  const std::uint32_t slots = slots_for(tile, queries);
  // What is left over for no chunk of its own joins the last one.
  const std::uint64_t least = leaf_pages * shape.records_per_page / 8 * slots;
  const std::uint64_t bits = std::max(limits.selection_bytes, least) + least;
  const MaskLayout masks{shape.records_per_page, slots, tile.groups_together()};
  const std::uint64_t padding = masks.words(1) * word_bytes;
  // Two chunks are under way, each with its bits and its masks.
  return 2 * (2 * bits + padding) +
         slots * (shape.accumulator_words() + 2 * shape.record_words) * word_bytes;
}

std::uint32_t batch_for(const QueryShape& shape, const PassLimits& limits) noexcept {
  std::uint32_t queries = limits.batch;
  while (queries > 1 && scratch_for(shape, queries, limits) > limits.scratch_bytes) --queries;
  return queries;
}

void PassNeeds::raise_to(const PassNeeds& other) noexcept {
  for (const auto member :
       {&PassNeeds::masks, &PassNeeds::bits, &PassNeeds::nodes, &PassNeeds::upper_nodes,
        &PassNeeds::accumulators, &PassNeeds::plain, &PassNeeds::answers, &PassNeeds::parameters}) {
    this->*member = std::max(this->*member, other.*member);
  }
}

PassNeeds needs_of(const TableLayout& layout, const QueryShape& shape, std::uint32_t queries,
                   const PassLimits& limits) noexcept {
  const ScanTile tile = tile_for(shape, limits.route, queries);
  const std::uint32_t slots = slots_for(tile, queries);
  std::uint64_t chunk_leaves = 0;  // the most that a chunk has
  std::uint64_t chunk_groups = 0;
  for (Chunk chunk; chunk.end_page < layout.pages;) {
    chunk = next_chunk(chunk, layout, shape, slots, limits);
    chunk_leaves = std::max(chunk_leaves, chunk.leaves(shape));
    chunk_groups = std::max(chunk_groups, chunk.groups());
  }
  const MaskLayout masks{shape.records_per_page, slots, tile.groups_together()};
  PassNeeds needs{
      .masks = masks.words(chunk_groups) * word_bytes,
      .bits = chunk_leaves * queries * leaf_bytes,
      .accumulators = shape.accumulator_words() * slots * word_bytes,
      .plain = std::uint64_t{shape.record_words} * queries * word_bytes,
      .answers = std::uint64_t{shape.record_words} * queries * word_bytes,
  };
  const std::uint64_t leaves = leaves_of(layout, shape);
  const unsigned tiers = tiers_for(leaves);
  if (tiers == 0) return needs;  // the host expands
  // A chunk that begins in the middle of a node's leaves has a node more.
  needs.nodes = (nodes_at(levels_per_tier, chunk_leaves) + 1) * queries * leaf_bytes;
  if (tiers > limits.chunk_tiers) {
    needs.upper_nodes =
        nodes_at(limits.chunk_tiers * levels_per_tier, leaves) * queries * leaf_bytes;
  }
  needs.parameters =
      queries * (sizeof(TreeCorrections) + nodes_at(tiers * levels_per_tier, leaves) * leaf_bytes) +
      2 * parameter_alignment;
  return needs;
}

}  // namespace gyre::cuda
