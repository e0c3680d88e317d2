#include "backends/cuda/pass_runner.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "backends/cuda/any_scan_step.hpp"
#include "backends/cuda/overlay_rows.hpp"
#include "backends/cuda/parameter_block.hpp"
#include "backends/cuda/top_of_tree.hpp"
#include "core/dpf/expand.hpp"

namespace gyre::cuda {
namespace {

constexpr std::uint64_t leaf_bytes = sizeof(dpf::Block);
constexpr std::uint64_t leaf_words = leaf_bytes / sizeof(std::uint32_t);
constexpr std::uint64_t word_bytes = sizeof(std::uint32_t);

// Overlay batches are shared by the overlays that contain them: the same batches, the same content.
std::vector<const OverlayBatch*> batches_of(const Overlay& overlay) {
  std::vector<const OverlayBatch*> batches;
  batches.reserve(overlay.batches());
  overlay.for_each([&](const OverlayBatch& batch) { batches.push_back(&batch); });
  return batches;
}

}  // namespace

// Queries of one kind that share a scan.
struct PassRunner::Batch {
  struct OverlayPart {
    std::vector<const OverlayBatch*> batches;
    std::vector<std::uint32_t> slots;  // of the queries that are pinned to it
    OverlayRows rows;
    std::uint64_t slots_at = 0;  // in the parameters
  };

  const std::uint32_t* image = nullptr;
  TableLayout layout;
  QueryShape shape;
  std::vector<const Query*> queries;  // slot by slot: those that the device expands come first
  std::vector<std::byte*> answers;    // where each one's goes

  std::uint32_t expanded = 0;  // how many of them
  std::uint32_t slots = 0;
  ScanTile tile{};
  std::uint64_t leaves = 0;
  unsigned tiers = 0;
  unsigned chunk_tiers = 0;                            // of them
  std::vector<std::vector<dpf::Block>> on_host;        // the leaves of small tables' keys
  std::vector<std::span<const std::byte>> selections;  // of the queries from `expanded` on
  std::vector<Chunk> chunks;
  std::vector<OverlayPart> overlays;
  std::uint64_t keys_at = 0;
  std::uint64_t tops_at = 0;
  std::uint64_t top_stride = 0;

  // The nodes from which chunks are expanded.
  const dpf::Block* ancestors = nullptr;
  std::uint64_t ancestors_stride = 0;

  [[nodiscard]] std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(queries.size());
  }
  [[nodiscard]] MaskLayout mask_layout() const noexcept {
    return {shape.records_per_page, slots, tile.groups_together()};
  }

  void prepare(const PassLimits& limits);
  void sort_by_kind_of_selection();
  void collect_overlays();
  ParameterBlock parameters();
};

// Needs: image, layout, shape, queries, answers.
void PassRunner::Batch::prepare(const PassLimits& limits) {
  tile = tile_for(shape, limits.route, count());
  slots = slots_for(tile, count());
  leaves = leaves_of(layout, shape);
  tiers = tiers_for(leaves);
  chunk_tiers = std::min(tiers, limits.chunk_tiers);
  for (Chunk chunk; chunk.end_page < layout.pages;) {
    chunk = next_chunk(chunk, layout, shape, slots, limits);
    chunks.push_back(chunk);
  }
  sort_by_kind_of_selection();
  collect_overlays();
}

void PassRunner::Batch::sort_by_kind_of_selection() {
  std::vector<std::size_t> order;
  const auto take = [&](bool by_device) {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if ((queries[i]->key != nullptr && tiers > 0) == by_device) order.push_back(i);
    }
  };
  take(true);
  expanded = static_cast<std::uint32_t>(order.size());
  take(false);
  std::vector<const Query*> sorted;
  std::vector<std::byte*> to;
  for (const std::size_t i : order) {
    sorted.push_back(queries[i]);
    to.push_back(answers[i]);
  }
  queries = std::move(sorted);
  answers = std::move(to);
  on_host.reserve(count());
  for (std::uint32_t i = expanded; i < count(); ++i) {
    const Query& query = *queries[i];
    if (query.key == nullptr) {
      selections.push_back(query.selection);
      continue;
    }
    auto& bits = on_host.emplace_back(leaves);
    dpf::expand(dpf::best_expansion_kernel(), *query.key, 0, bits);
    selections.push_back(std::as_bytes(std::span(bits)));
  }
}

void PassRunner::Batch::collect_overlays() {
  for (std::uint32_t slot = 0; slot < count(); ++slot) {
    if (queries[slot]->overlay->empty()) continue;
    auto batches = batches_of(*queries[slot]->overlay);
    auto found = std::find_if(overlays.begin(), overlays.end(),
                              [&](const OverlayPart& part) { return part.batches == batches; });
    if (found == overlays.end()) {
      overlays.emplace_back().batches = std::move(batches);
      found = std::prev(overlays.end());
    }
    found->slots.push_back(slot);
  }
}

ParameterBlock PassRunner::Batch::parameters() {
  ParameterBlock block;
  std::vector<TreeCorrections> keys;
  std::vector<dpf::Block> nodes;
  for (std::uint32_t i = 0; i < expanded; ++i) {
    TreeTop top = top_of_tree(*queries[i]->key, leaves);
    keys.push_back(top.corrections);
    top_stride = top.nodes.size();
    nodes.insert(nodes.end(), top.nodes.begin(), top.nodes.end());
  }
  keys_at = block.append(std::span(std::as_const(keys)));
  tops_at = block.append(std::span(std::as_const(nodes)));
  for (OverlayPart& part : overlays) {
    part.rows = append_rows(part.batches, layout, chunks, block);
    part.slots_at = block.append(std::span(std::as_const(part.slots)));
  }
  return block;
}

Result<std::unique_ptr<PassRunner>> PassRunner::create(std::shared_ptr<Gpu> gpu,
                                                       const PassLimits& limits) {
  std::unique_ptr<PassRunner> runner(new PassRunner(std::move(gpu), limits));
  for (const auto& [stream, use] : {std::pair(&runner->expanding_, StreamUse::expansion),
                                    std::pair(&runner->scanning_, StreamUse::scan)}) {
    auto made = runner->gpu_->make_stream(use);
    if (!made) return forward_error(made);
    *stream = std::move(*made);
  }
  for (auto* event : {&runner->uploaded_, &runner->sides_[0].filled, &runner->sides_[0].used,
                      &runner->sides_[1].filled, &runner->sides_[1].used}) {
    auto made = runner->gpu_->make_event();
    if (!made) return forward_error(made);
    *event = std::move(*made);
  }
  return runner;
}

PassRunner::~PassRunner() {
  // Nothing may read a buffer that goes back. A device that cannot even wait does nothing any more.
  if (expanding_) static_cast<void>(expanding_->synchronize());
  if (scanning_) static_cast<void>(scanning_->synchronize());
}

// Calls visit(buffer, bytes) for each of a runner's buffers; stops where it fails.
template <typename Visit>
void PassRunner::for_each_buffer(auto& runner, const PassNeeds& needs, const Visit& visit) {
  for (auto& side : runner.sides_) {
    visit(side.masks, needs.masks);
    visit(side.bits, needs.bits);
    visit(side.nodes, needs.nodes);
  }
  for (auto& nodes : runner.upper_nodes_) visit(nodes, needs.upper_nodes);
  visit(runner.accumulators_, needs.accumulators);
  visit(runner.plain_, needs.plain);
  visit(runner.answers_, needs.answers);
  visit(runner.parameters_, needs.parameters);
}

std::uint64_t PassRunner::memory_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for_each_buffer(*this, {},
                  [&](const GpuMemory& buffer, std::uint64_t) { bytes += buffer.bytes(); });
  return bytes;
}

Result<void> PassRunner::raise_to(const PassNeeds& needs) {
  struct Grown {
    GpuMemory* buffer;
    GpuMemory memory;
  };
  std::vector<Grown> grown;
  Result<void> done;
  for_each_buffer(*this, needs, [&](GpuMemory& buffer, std::uint64_t bytes) {
    if (!done || bytes <= buffer.bytes()) return;
    auto larger = GpuMemory::create(gpu_, bytes);
    if (larger) {
      grown.push_back({&buffer, std::move(*larger)});
    } else {
      done = forward_error(larger);
    }
  });
  if (!done) return done;
  if (auto down = answers_down_.reserve(gpu_, needs.answers); !down) return down;
  if (auto up = parameters_up_.reserve(gpu_, needs.parameters); !up) return up;
  for (Grown& each : grown) *each.buffer = std::move(each.memory);
  return {};
}

PassNeeds PassRunner::needs_for(const TableLayout& layout, std::uint32_t queries,
                                std::uint64_t overlay_bytes) const noexcept {
  PassNeeds needs;
  for (const QueryShape& shape : {QueryShape::of_pages(layout), QueryShape::of_rows(layout)}) {
    // Fewer can take more of one buffer: their chunks are larger.
    const std::uint32_t most = std::min(queries, batch_for(shape, limits_));
    for (std::uint32_t count = 1; count <= most; ++count) {
      needs.raise_to(needs_of(layout, shape, count, limits_));
    }
  }
  needs.parameters += overlay_bytes;
  return needs;
}

Result<void> PassRunner::reserve(const TableLayout& layout, std::uint32_t queries,
                                 std::uint64_t overlay_bytes) {
  return raise_to(needs_for(layout, queries, overlay_bytes));
}

std::uint64_t PassRunner::missing_bytes(const TableLayout& layout, std::uint32_t queries,
                                        std::uint64_t overlay_bytes) const noexcept {
  std::uint64_t missing = 0;
  // A buffer's larger one is there before it goes.
  for_each_buffer(*this, needs_for(layout, queries, overlay_bytes),
                  [&](const GpuMemory& buffer, std::uint64_t bytes) {
                    if (bytes > buffer.bytes()) missing += bytes;
                  });
  return missing;
}

Result<void> PassRunner::run(const std::uint32_t* image, const TableLayout& layout,
                             std::span<const Query> queries, std::span<std::byte> answers,
                             std::uint32_t most) {
  // Where a page is one row, both kinds ask for the same.
  const bool one_kind = layout.rows_per_page() == 1;
  for (const QueryKind kind : {QueryKind::page, QueryKind::row}) {
    if (one_kind && kind == QueryKind::row) continue;
    Batch like;
    like.image = image;
    like.layout = layout;
    like.shape =
        kind == QueryKind::page ? QueryShape::of_pages(layout) : QueryShape::of_rows(layout);
    const std::uint32_t together = std::min(most, batch_for(like.shape, limits_));
    Batch batch = like;
    const auto run_and_clear = [&]() -> Result<void> {
      if (batch.queries.empty()) return {};
      auto done = run_batch_or_fail(batch);
      // Whatever failed: no copy may go on into or out of memory that is used for something else.
      const auto expanding = expanding_->synchronize();
      const auto scanning = scanning_->synchronize();
      batch = like;
      if (!done) return done;
      return expanding ? scanning : expanding;
    };
    std::byte* answer = answers.data();
    for (const Query& query : queries) {
      if (one_kind || query.kind == kind) {
        batch.queries.push_back(&query);
        batch.answers.push_back(answer);
        if (batch.queries.size() == together) {
          if (auto done = run_and_clear(); !done) return done;
        }
      }
      answer += word_bytes * (query.kind == QueryKind::page ? layout.page_words : layout.row_words);
    }
    if (auto done = run_and_clear(); !done) return done;
  }
  return {};
}

// An exception must not pass by the wait for what is under way already.
Result<void> PassRunner::run_batch_or_fail(Batch& batch) try {
  return run_batch(batch);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no host memory for a pass");
}

Result<void> PassRunner::run_batch(Batch& batch) {
  batch.prepare(limits_);
  if (auto reserved = raise_to(needs_of(batch.layout, batch.shape, batch.count(), limits_));
      !reserved) {
    return reserved;
  }
  if (auto sent = upload(batch); !sent) return sent;
  if (auto expanded = expand_upper_tiers(batch); !expanded) return expanded;
  for (std::size_t chunk = 0; chunk < batch.chunks.size(); ++chunk) {
    Side& side = sides_[chunk % 2];
    if (auto filled = fill(batch, batch.chunks[chunk], side); !filled) return filled;
    if (auto scanned = scan(batch, chunk, side); !scanned) return scanned;
  }
  return finish(batch);
}

Result<void> PassRunner::upload(Batch& batch) {
  const ParameterBlock block = batch.parameters();
  const auto bytes = block.bytes();
  if (!bytes.empty()) {
    if (auto done = parameters_.reserve(gpu_, bytes.size()); !done) return done;
    if (auto done = parameters_up_.reserve(gpu_, bytes.size()); !done) return done;
    std::byte* const up = parameters_up_.bytes().data();
    std::memcpy(up, bytes.data(), bytes.size());
    if (auto done = expanding_->copy_up(parameters_.as<std::byte>(), up, bytes.size()); !done) {
      return done;
    }
  }
  if (auto done = expanding_->record(*uploaded_); !done) return done;
  if (auto done = scanning_->wait(*uploaded_); !done) return done;
  if (auto done = scanning_->clear(accumulators_.as<void>(),
                                   batch.shape.accumulator_words() * batch.slots * word_bytes);
      !done) {
    return done;
  }
  return scanning_->clear(plain_.as<void>(), batch.shape.record_words * batch.count() * word_bytes);
}

Result<void> PassRunner::expand_upper_tiers(Batch& batch) {
  batch.ancestors =
      reinterpret_cast<const dpf::Block*>(parameters_.as<std::byte>() + batch.tops_at);
  batch.ancestors_stride = batch.top_stride;
  std::size_t to = 0;
  for (unsigned tier = batch.tiers; tier > batch.chunk_tiers; --tier, to = 1 - to) {
    const unsigned height = (tier - 1) * levels_per_tier;
    const std::uint64_t nodes = nodes_at(height, batch.leaves);
    const ExpandStep step{.keys = reinterpret_cast<const TreeCorrections*>(
                              parameters_.as<std::byte>() + batch.keys_at),
                          .queries = batch.expanded,
                          .height = height,
                          .ancestors = batch.ancestors,
                          .ancestors_stride = batch.ancestors_stride,
                          .out = upper_nodes_[to].as<dpf::Block>(),
                          .out_stride = nodes,
                          .last = nodes - 1};
    if (batch.expanded > 0) {
      if (auto done = expanding_->run(step); !done) return done;
    }
    batch.ancestors = step.out;
    batch.ancestors_stride = nodes;
  }
  return {};
}

// The chunk's selection bits and masks.
Result<void> PassRunner::fill(const Batch& batch, const Chunk& chunk, Side& side) {
  if (auto done = expanding_->wait(*side.used); !done) return done;
  const std::uint64_t first = chunk.first_leaf(batch.shape);
  const std::uint64_t leaves = chunk.leaves(batch.shape);
  const std::uint64_t last = first + leaves - 1;
  auto* const bits = side.bits.as<dpf::Block>();
  if (batch.expanded > 0) {
    ExpandStep step{.keys = reinterpret_cast<const TreeCorrections*>(parameters_.as<std::byte>() +
                                                                     batch.keys_at),
                    .queries = batch.expanded,
                    .ancestors = batch.ancestors,
                    .ancestors_stride = batch.ancestors_stride,
                    .out = bits,
                    .out_stride = leaves,
                    .first = first,
                    .last = last};
    if (batch.chunk_tiers > 1) {
      ExpandStep above = step;
      above.height = levels_per_tier;
      above.first = first >> levels_per_tier;
      above.last = last >> levels_per_tier;
      above.out = side.nodes.as<dpf::Block>();
      above.out_stride = above.last - above.first + 1;
      if (auto done = expanding_->run(above); !done) return done;
      step.ancestors = above.out;
      step.ancestors_stride = above.out_stride;
      step.first_ancestor = above.first;
    }
    if (auto done = expanding_->run(step); !done) return done;
  }
  for (std::size_t i = 0; i < batch.selections.size(); ++i) {
    const auto some = batch.selections[i].subspan(first * leaf_bytes, leaves * leaf_bytes);
    if (auto done =
            expanding_->copy_up(bits + (batch.expanded + i) * leaves, some.data(), some.size());
        !done) {
      return done;
    }
  }
  if (chunk.groups() > 0) {
    const MaskStep step{.bits = {side.bits.as<std::uint32_t>(), leaves * leaf_words},
                        .groups = chunk.groups(),
                        .queries = batch.count(),
                        .layout = batch.mask_layout(),
                        .masks = side.masks.as<std::uint32_t>()};
    if (auto done = expanding_->run(step); !done) return done;
  }
  return expanding_->record(*side.filled);
}

Result<void> PassRunner::scan(const Batch& batch, std::size_t number, Side& side) {
  const Chunk& chunk = batch.chunks[number];
  if (auto done = scanning_->wait(*side.filled); !done) return done;
  const SelectionBits bits{side.bits.as<std::uint32_t>(), chunk.leaves(batch.shape) * leaf_words};
  if (chunk.groups() > 0) {
    ScanWork work{.layout = batch.layout,
                  .shape = batch.shape,
                  .image = batch.image,
                  .masks = side.masks.as<std::uint32_t>(),
                  .first_group = chunk.first_group(),
                  .groups = chunk.groups(),
                  .slots = batch.slots,
                  .accumulators = accumulators_.as<std::uint32_t>()};
    work.segments = with_scan_step(batch.tile, work, [&](const auto& step) {
      return step.segments_for(gpu_->multiprocessors());
    });
    if (auto done = scanning_->run(batch.tile, work); !done) return done;
  }
  if (chunk.tail_pages() > 0) {
    const TailStep step{
        .shape = batch.shape,
        .bits = bits,
        .rows = batch.image + batch.layout.grouped_pages() * batch.layout.page_words,
        .first_record =
            (batch.layout.grouped_pages() - chunk.first_page) * batch.shape.records_per_page,
        .records = chunk.tail_pages() * batch.shape.records_per_page,
        .queries = batch.count(),
        .plain = plain_.as<std::uint32_t>()};
    if (auto done = scanning_->run(step); !done) return done;
  }
  if (auto done = add_overlays(batch, number, bits); !done) return done;
  return scanning_->record(*side.used);
}

Result<void> PassRunner::add_overlays(const Batch& batch, std::size_t number,
                                      const SelectionBits& bits) {
  const auto* const parameters = parameters_.as<std::byte>();
  for (const Batch::OverlayPart& part : batch.overlays) {
    const std::uint64_t first = part.rows.first(number);
    const std::uint64_t count = part.rows.count(number);
    if (count == 0) continue;
    const OverlayStep step{
        .layout = batch.layout,
        .shape = batch.shape,
        .first_record = batch.chunks[number].first_record(batch.shape),
        .bits = bits,
        .rows = reinterpret_cast<const std::uint64_t*>(parameters + part.rows.rows_at) + first,
        .differences =
            reinterpret_cast<const std::uint32_t*>(parameters + part.rows.differences_at) +
            first * batch.layout.row_words,
        .count = count,
        .queries = reinterpret_cast<const std::uint32_t*>(parameters + part.slots_at),
        .query_count = static_cast<std::uint32_t>(part.slots.size()),
        .plain = plain_.as<std::uint32_t>()};
    if (auto done = scanning_->run(step); !done) return done;
  }
  return {};
}

Result<void> PassRunner::finish(const Batch& batch) {
  const FinishStep step{.shape = batch.shape,
                        .accumulators = accumulators_.as<std::uint32_t>(),
                        .plain = plain_.as<std::uint32_t>(),
                        .queries = batch.count(),
                        .answers = answers_.as<std::uint32_t>()};
  if (auto done = scanning_->run(step); !done) return done;
  const std::uint64_t bytes = batch.shape.record_words * word_bytes;
  std::byte* const down = answers_down_.bytes().data();
  if (auto done = scanning_->copy_down(down, answers_.as<void>(), bytes * batch.count()); !done) {
    return done;
  }
  if (auto done = scanning_->synchronize(); !done) return done;
  for (std::uint32_t i = 0; i < batch.count(); ++i) {
    std::memcpy(batch.answers[i], down + i * bytes, bytes);
  }
  return {};
}

}  // namespace gyre::cuda
