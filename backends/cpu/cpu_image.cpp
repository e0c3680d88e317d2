#include "backends/cpu/cpu_image.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "backends/cpu/group_homes.hpp"
#include "backends/cpu/xor_into.hpp"
#include "backends/cpu/xor_masked.hpp"
#include "core/bytes.hpp"
#include "core/dpf/expand.hpp"
#include "core/elapsed.hpp"
#include "core/fault_point.hpp"

namespace gyre::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Bytes of a record that one task sums up: a whole page of the usual size, so that memory is read
// in long runs, and accumulators, eight times as many bytes, that stay in the first-level cache.
constexpr std::uint64_t tile_bytes = 4096;
constexpr std::size_t tile_columns = 8 * tile_bytes;
// Table bytes one task reads, about. Large against the cost of a task, small against a table.
constexpr std::uint64_t task_bytes = std::uint64_t{2} << 20U;
// Selection bytes of a row query made at a time.
constexpr std::size_t selection_block = 1024;

// Leaves one task expands: whole subtrees of the expansion, see dpf::expand.
constexpr std::uint64_t leaves_per_task = 8192;

std::uint8_t selection_mask(const std::uint8_t* bits, std::uint64_t record) noexcept {
  return static_cast<std::uint8_t>(0U - ((unsigned{bits[record / 8]} >> (record % 8)) & 1U));
}

// `parts` nearly equal parts of 0 … total - 1.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};
Range part_of(std::uint64_t total, std::uint64_t parts, std::uint64_t part) noexcept {
  const std::uint64_t each = divide_rounding_up(total, parts);
  return {std::min(part * each, total), std::min((part + 1) * each, total)};
}

}  // namespace

CpuImage::CpuImage(std::shared_ptr<Core> core, const Geometry& geometry, Storage storage) noexcept
    : core_(std::move(core)),
      geometry_(geometry),
      layout_(geometry),
      parts_(parts_of_table(geometry, layout_, core_->part_bounds())),
      storage_(std::move(storage)),
      selection_buffers_(core_->memory()),
      workspaces_(core_->memory()),
      touched_selections_(core_->memory()) {}

Result<void> CpuImage::answer(const Pass& pass, std::span<std::byte> answers) const {
  auto seconds = answer_timed(pass, answers);
  if (!seconds) return forward_error(seconds);
  return {};
}

Result<PassSeconds> CpuImage::answer_timed(const Pass& pass, std::span<std::byte> answers) const {
  GYRE_FAULT_POINT(query_scan);
  if (pass.queries.empty()) return PassSeconds{};
  std::vector<BatchScan::Member> rows;
  std::vector<BatchScan::Member> pages;
  auto* answer = reinterpret_cast<std::uint8_t*>(answers.data());
  try {
    for (const Query& query : pass.queries) {
      (query.kind == QueryKind::row ? rows : pages).push_back({&query, answer});
      answer += geometry_.answer_bytes(query.kind);
    }
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the queries of a pass");
  }
  std::memset(answers.data(), 0, answers.size());
  const TablePart part = TablePart::of(layout_, pass.part, parts_);
  PassSeconds seconds;
  for (const auto* members : {&rows, &pages}) {
    if (members->empty()) continue;
    auto some = members->size() == 1 ? answer_one(members->front(), part)
                                     : BatchScan::run(*core_, geometry_, layout_, storage_,
                                                      workspaces_, touched_selections_, part,
                                                      members->front().query->kind, *members);
    if (!some) return forward_error(some);
    seconds.expansion += some->expansion;
    seconds.scan += some->scan;
    seconds.overlay += some->overlay;
  }
  return seconds;
}

Result<PassSeconds> CpuImage::answer_one(const BatchScan::Member& member,
                                         const TablePart& part) const {
  // Enough for either kind: there are no more pages than rows.
  auto bits = selection_buffers_.take(dpf::leaves_for(geometry_.rows) * sizeof(dpf::Block) +
                                      readable_behind_bits);
  if (!bits) return forward_error(bits);
  const Selection selection{
      .kind = member.query->kind, .bits = bits->data(), .answer = member.answer};
  PassSeconds seconds;
  const auto expansion_start = Clock::now();
  if (auto expanded = expand(*member.query, part, *bits); !expanded) return forward_error(expanded);
  const auto scan_start = Clock::now();
  if (auto scanned = scan(selection, part); !scanned) return forward_error(scanned);
  const auto overlay_start = Clock::now();
  add_overlay(*member.query->overlay, part, selection);
  seconds.overlay = seconds_since(overlay_start);
  seconds.scan = std::chrono::duration<double>(overlay_start - scan_start).count();
  seconds.expansion = std::chrono::duration<double>(scan_start - expansion_start).count();
  selection_buffers_.give_back(std::move(*bits));
  return seconds;
}

std::vector<std::span<const std::uint8_t>> CpuImage::resident_bytes() const {
  std::vector<std::span<const std::uint8_t>> pieces;
  for (const auto& chunk : storage_.chunks) pieces.emplace_back(chunk->data(), chunk->size());
  if (storage_.tail->size() > 0) pieces.emplace_back(storage_.tail->data(), storage_.tail->size());
  return pieces;
}

Result<void> CpuImage::expand(const Query& query, const TablePart& part, HugeBuffer& bits) const {
  const std::uint64_t records_per_page = query.kind == QueryKind::row ? geometry_.rows_per_page : 1;
  const std::uint64_t first_record = part.first_page() * records_per_page;
  const std::uint64_t end_record = first_record + part.pages() * records_per_page;
  const std::uint64_t first_leaf = first_record / dpf::bits_per_leaf;
  const std::uint64_t leaves = dpf::leaves_for(end_record) - first_leaf;
  auto* const blocks = reinterpret_cast<dpf::Block*>(bits.data());
  if (query.key == nullptr) {
    std::memcpy(blocks + first_leaf, query.selection.data() + first_leaf * sizeof(dpf::Block),
                leaves * sizeof(dpf::Block));
    return {};
  }
  const std::uint64_t tasks = divide_rounding_up(leaves, leaves_per_task);
  Executor& executor = core_->executor();
  return executor.parallel_for_at_home(
      tasks, [&](std::size_t task) { return node_of_part(task, tasks, executor.nodes()); },
      OtherNodes::help,
      [&](std::size_t task) {
        const std::uint64_t first = task * leaves_per_task;
        const std::uint64_t count = std::min(leaves_per_task, leaves - first);
        dpf::expand(core_->expansion(), *query.key, first_leaf + first,
                    {blocks + first_leaf + first, count});
      });
}

// How a query's work on a part is cut into tasks: by tiles of the record, and for each tile by
// ranges of items (the groups' rows, or whole groups for a page query) and of the tail's records.
struct CpuImage::Plan {
  Plan(const Geometry& geometry, const InterleavedLayout& layout, const TablePart& part,
       QueryKind kind) noexcept
      : record_bytes(geometry.answer_bytes(kind)),
        item_bytes(pages_per_group * record_bytes),
        items_per_group(kind == QueryKind::row ? geometry.rows_per_page : 1),
        first_item(part.first_group * items_per_group),
        items(part.groups * items_per_group),
        tail_first_record(layout.tail_first_page() * items_per_group),
        tail_records(part.tail_pages * items_per_group),
        tiles(divide_rounding_up(record_bytes, tile_bytes)),
        item_parts(parts(items, item_bytes)),
        tail_parts(parts(tail_records, record_bytes)) {}

  // Parts so that a tile's share of one has about task_bytes; none if there is nothing.
  [[nodiscard]] std::uint64_t parts(std::uint64_t count, std::uint64_t bytes) const noexcept {
    return std::min(count, divide_rounding_up(count * bytes / tiles, task_bytes));
  }
  [[nodiscard]] std::uint64_t tasks() const noexcept { return tiles * (item_parts + tail_parts); }

  const std::uint64_t record_bytes;
  const std::uint64_t item_bytes;
  const std::uint64_t items_per_group;
  const std::uint64_t first_item;
  const std::uint64_t items;
  const std::uint64_t tail_first_record;
  const std::uint64_t tail_records;
  const std::uint64_t tiles;
  const std::uint64_t item_parts;
  const std::uint64_t tail_parts;
};

Result<void> CpuImage::scan(const Selection& selection, const TablePart& table_part) const {
  const Plan plan(geometry_, layout_, table_part, selection.kind);
  std::mutex answer_mutex;
  Executor& executor = core_->executor();
  const GroupHomes homes(layout_, parts_, executor.nodes());
  const auto home = [&](std::size_t task) {
    const std::uint64_t part = task / plan.tiles;
    if (part >= plan.item_parts) return homes.of_group(layout_.groups());
    const std::uint64_t item = plan.first_item + part_of(plan.items, plan.item_parts, part).begin;
    return homes.of_group(item / plan.items_per_group);
  };
  const auto scan_part = [&](std::size_t task) {
    const std::uint64_t tile = task % plan.tiles;
    const std::uint64_t part = task / plan.tiles;
    const std::uint64_t first_byte = tile * tile_bytes;
    const std::uint64_t bytes = std::min(tile_bytes, plan.record_bytes - first_byte);
    std::array<std::uint8_t, tile_bytes> sum;
    std::memset(sum.data(), 0, bytes);
    if (part < plan.item_parts) {
      const Range range = part_of(plan.items, plan.item_parts, part);
      scan_groups(plan, selection, tile, plan.first_item + range.begin, range.end - range.begin,
                  sum.data());
    } else {
      const Range range = part_of(plan.tail_records, plan.tail_parts, part - plan.item_parts);
      core_->scan().functions->xor_selected(
          storage_.tail->data() + range.begin * plan.record_bytes + first_byte, plan.record_bytes,
          bytes, range.end - range.begin, selection.bits, plan.tail_first_record + range.begin,
          sum.data());
    }
    const std::lock_guard lock(answer_mutex);
    xor_into(selection.answer + first_byte, sum.data(), bytes);
  };
  return executor.parallel_for_at_home(plan.tasks(), home, OtherNodes::help, scan_part);
}

void CpuImage::scan_groups(const Plan& plan, const Selection& selection, std::uint64_t tile,
                           std::uint64_t first_item, std::uint64_t items,
                           std::uint8_t* sum) const noexcept {
  const ScanFunctions& functions = *core_->scan().functions;
  const std::uint64_t first_byte = tile * tile_bytes;
  const std::uint64_t bytes = std::min(tile_bytes, plan.record_bytes - first_byte);
  const std::uint64_t items_per_chunk = layout_.groups_per_chunk() * plan.items_per_group;
  alignas(64) std::array<std::uint8_t, tile_columns> accumulators;
  std::memset(accumulators.data(), 0, 8 * bytes);
  std::array<std::uint8_t, selection_block> block;

  for (std::uint64_t item = first_item; item < first_item + items;) {
    const std::uint64_t in_chunk = item % items_per_chunk;
    const std::uint8_t* const columns = storage_.chunks[item / items_per_chunk]->data() +
                                        in_chunk * plan.item_bytes + 8 * first_byte;
    std::uint64_t count = std::min(first_item + items - item, items_per_chunk - in_chunk);
    const std::uint8_t* selected = nullptr;
    if (plan.items_per_group == 1) {
      // Eight consecutive records, one in each page: the bits lie as the columns want them.
      selected = selection.bits + item;
    } else {
      count = std::min<std::uint64_t>(count, selection_block);
      for (std::uint64_t filled = 0; filled < count;) {
        const std::uint64_t group = (item + filled) / plan.items_per_group;
        const std::uint64_t in_group = (item + filled) % plan.items_per_group;
        const std::uint64_t some = std::min(count - filled, plan.items_per_group - in_group);
        functions.interleave_bits(selection.bits,
                                  group * pages_per_group * plan.items_per_group + in_group,
                                  plan.items_per_group, some, block.data() + filled);
        filled += some;
      }
      selected = block.data();
    }
    functions.accumulate(columns, plan.item_bytes, count, selected, 8 * bytes, accumulators.data());
    item += count;
  }
  for (std::uint64_t b = 0; b < bytes; ++b) {
    std::uint64_t eight_columns;
    std::memcpy(&eight_columns, accumulators.data() + 8 * b, sizeof eight_columns);
    sum[b] = static_cast<std::uint8_t>(sum[b] ^ parities_of_columns(eight_columns));
  }
}

void CpuImage::add_overlay(const Overlay& overlay, const TablePart& part,
                           const Selection& selection) const noexcept {
  const RowRange rows_of_part = rows_of(geometry_, part);
  const std::uint64_t records_per_row_divisor =
      selection.kind == QueryKind::row ? 1 : geometry_.rows_per_page;
  const std::uint64_t row_bytes = geometry_.row_bytes;
  overlay.for_each([&](const OverlayBatch& batch) {
    const BatchRows changed = rows_in(batch, rows_of_part, row_bytes);
    const std::uint8_t* difference = changed.differences;
    for (const std::uint64_t row : changed.rows) {
      const std::uint64_t record = row / records_per_row_divisor;
      xor_masked(selection.answer + row % records_per_row_divisor * row_bytes, difference,
                 row_bytes, selection_mask(selection.bits, record));
      difference += row_bytes;
    }
  });
}

Result<void> CpuImage::read_rows(std::uint64_t first_row, std::span<std::byte> out) const {
  const std::uint64_t row_bytes = geometry_.row_bytes;
  auto* to = reinterpret_cast<std::uint8_t*>(out.data());
  for (std::uint64_t left = out.size() / row_bytes, row = first_row; left > 0; --left, ++row) {
    if (row >= layout_.tail_first_row()) {
      std::memcpy(to, storage_.tail->data() + (row - layout_.tail_first_row()) * row_bytes,
                  left * row_bytes);
      break;
    }
    const InterleavedLayout::Place place = layout_.place_of_row(row);
    const std::uint8_t* columns = storage_.chunks[place.chunk]->data() + place.offset;
    for (std::uint64_t b = 0; b < row_bytes; ++b, columns += 8) {
      std::uint64_t eight_columns;
      std::memcpy(&eight_columns, columns, sizeof eight_columns);
      to[b] = byte_of_columns(eight_columns, place.page);
    }
    to += row_bytes;
  }
  return {};
}

Result<void> CpuImage::copy_chunks(std::span<const std::size_t> numbers, Storage& to) const {
  const auto copy = [&](std::size_t i) {
    const HugeBuffer& chunk = *storage_.chunks[numbers[i]];
    std::memcpy(to.chunks[numbers[i]]->data(), chunk.data(), chunk.size());
  };
  Executor& executor = core_->executor();
  if (executor.nodes() == 1) {
    // By this thread alone: the others have queries to answer.
    for (std::size_t i = 0; i < numbers.size(); ++i) copy(i);
    return {};
  }
  const GroupHomes homes(layout_, parts_, executor.nodes());
  return executor.parallel_for_at_home(
      numbers.size(), [&](std::size_t i) { return homes.of_chunk(numbers[i]); },
      OtherNodes::stay_out, copy);
}

Result<std::shared_ptr<const Image>> CpuImage::with_updates(const Overlay& overlay) const {
  GYRE_FAULT_POINT(host_alloc);
  try {
    // What no row of the overlay changes is shared with this image.
    Storage updated = storage_;
    std::vector<bool> changed(updated.chunks.size());
    bool tail_changed = false;
    overlay.for_each([&](const OverlayBatch& batch) {
      for (const std::uint64_t row : batch.rows) {
        if (row >= layout_.tail_first_row()) {
          tail_changed = true;
        } else {
          changed[layout_.place_of_row(row).chunk] = true;
        }
      }
    });
    const auto own_memory = [this](std::shared_ptr<HugeBuffer>& shared) -> Result<void> {
      auto buffer = HugeBuffer::allocate(shared->size(), core_->memory());
      if (!buffer) return forward_error(buffer);
      shared = std::make_shared<HugeBuffer>(std::move(*buffer));
      return {};
    };
    std::vector<std::size_t> own_chunks;
    for (std::size_t chunk = 0; chunk < updated.chunks.size(); ++chunk) {
      if (!changed[chunk]) continue;
      if (auto made = own_memory(updated.chunks[chunk]); !made) return forward_error(made);
      own_chunks.push_back(chunk);
    }
    if (auto copied = copy_chunks(own_chunks, updated); !copied) return forward_error(copied);
    if (tail_changed) {
      if (auto made = own_memory(updated.tail); !made) return forward_error(made);
      std::memcpy(updated.tail->data(), storage_.tail->data(), storage_.tail->size());
    }

    const std::uint64_t row_bytes = geometry_.row_bytes;
    overlay.for_each([&](const OverlayBatch& batch) {
      const auto* difference = reinterpret_cast<const std::uint8_t*>(batch.differences.data());
      for (const std::uint64_t row : batch.rows) {
        if (row >= layout_.tail_first_row()) {
          xor_into(updated.tail->data() + (row - layout_.tail_first_row()) * row_bytes, difference,
                   row_bytes);
        } else {
          const InterleavedLayout::Place place = layout_.place_of_row(row);
          std::uint8_t* columns = updated.chunks[place.chunk]->data() + place.offset;
          for (std::uint64_t b = 0; b < row_bytes; ++b, columns += 8) {
            std::uint64_t eight_columns;
            std::memcpy(&eight_columns, columns, sizeof eight_columns);
            eight_columns ^= columns_of_byte(difference[b]) << place.page;
            std::memcpy(columns, &eight_columns, sizeof eight_columns);
          }
        }
        difference += row_bytes;
      }
    });
    return std::make_shared<const CpuImage>(core_, geometry_, std::move(updated));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for an updated image");
  }
}

}  // namespace gyre::cpu
