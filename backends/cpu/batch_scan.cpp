#include "backends/cpu/batch_scan.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "backends/cpu/xor_into.hpp"
#include "core/bytes.hpp"
#include "core/elapsed.hpp"

namespace gyre::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Between what lies at one place for different octets or queries, so that it does not fall into one
// set of a cache.
constexpr std::uint64_t skew_bytes = 64;

// Blocks from one query's bits to the next one's: whole cache lines, an odd number of them.
std::uint64_t bits_stride_for(std::uint64_t leaves) noexcept {
  constexpr std::uint64_t line_bytes = 64;
  const std::uint64_t lines =
      divide_rounding_up(leaves * sizeof(dpf::Block) + readable_behind_bits, line_bytes) | 1U;
  return lines * line_bytes / sizeof(dpf::Block);
}

BatchWorkspaceShape shape_for(const BatchPlan& plan, std::size_t octets) noexcept {
  const std::uint64_t sum_bytes = std::min(plan.record_bytes, BatchPlan::strip_bytes);
  return {.octets = octets,
          .bits_stride = bits_stride_for(plan.most_leaves_of_block()),
          .subtrees_stride = dpf::KeyTree::subtrees_above(plan.most_leaves_of_task()),
          .matrices_stride = matrix_stride,
          .accumulator_stride = pages_per_group * sum_bytes + skew_bytes,
          .sum_bytes = sum_bytes,
          .row_bytes = 0,
          .items = 0};
}

}  // namespace

BatchScan::Run::Run(std::uint64_t first, std::uint64_t count, std::uint64_t at_block) noexcept
    : first_record(first),
      records(count),
      first_leaf(first / dpf::bits_per_leaf),
      leaves((first + count - 1) / dpf::bits_per_leaf - first_leaf + 1),
      at(at_block) {}

BatchScan::BatchScan(Core& core, const Geometry& geometry, const InterleavedLayout& layout,
                     const Storage& storage, const TablePart& part, QueryKind kind,
                     std::span<const Member> members) noexcept
    : core_(core),
      functions_(*core.scan().functions),
      storage_(storage),
      items_per_chunk_(layout.groups_per_chunk() *
                       (kind == QueryKind::row ? geometry.rows_per_page : 1)),
      members_(members),
      plan_(geometry, layout, part, kind, core.executor().threads()),
      octets_(divide_rounding_up(members.size(), octet_queries)),
      sets_(divide_rounding_up(octets_, functions_.octets_at_once)),
      shape_(shape_for(plan_, octets_)) {}

Result<PassSeconds> BatchScan::run(Core& core, const Geometry& geometry,
                                   const InterleavedLayout& layout, const Storage& storage,
                                   KeptBuffers& workspaces, KeptBuffers& selections,
                                   const TablePart& part, QueryKind kind,
                                   std::span<const Member> members) {
  const auto start = Clock::now();
  BatchScan scan(core, geometry, layout, storage, part, kind, members);
  if (auto prepared = scan.prepare(geometry, part, kind, workspaces, selections); !prepared)
    return forward_error(prepared);
  if (auto done = scan.scan_table(geometry, layout); !done) return forward_error(done);
  PassSeconds seconds = scan.shares_of(seconds_since(start));

  const auto overlay_start = Clock::now();
  if (auto done = scan.scan_overlays(); !done) return forward_error(done);
  scan.touched_->give_back(selections);
  seconds.overlay = seconds_since(overlay_start);
  return seconds;
}

Result<void> BatchScan::scan_table(const Geometry& geometry, const InterleavedLayout& layout) {
  Executor& executor = core_.executor();
  const GroupHomes homes(layout, parts_of_table(geometry, layout, core_.part_bounds()),
                         executor.nodes());
  const auto home = [&](std::size_t task) { return home_of(task, homes); };
  return executor.parallel_for_at_home(plan_.tasks(), home, OtherNodes::help,
                                       [&](std::size_t task) { run_task(task, home(task)); });
}

Result<void> BatchScan::scan_overlays() {
  if (!overlay_plan_) return {};
  const OverlayPlan& plan = *overlay_plan_;
  Executor& executor = core_.executor();
  const std::uint64_t tasks = plan.tasks();
  const auto home = [&](std::size_t task) { return node_of_part(task, tasks, executor.nodes()); };
  return executor.parallel_for_at_home(tasks, home, OtherNodes::help, [&](std::size_t task) {
    BatchWorkspace* const space = workspaces_.take(home(task), executor.nodes());
    const std::uint64_t first = task / plan.strips * plan.items_per_task;
    scan_touched(*space, task % plan.strips, first,
                 std::min(first + plan.items_per_task, plan.items));
    workspaces_.give_back(space);
  });
}

Result<void> BatchScan::prepare(const Geometry& geometry, const TablePart& part, QueryKind kind,
                                KeptBuffers& workspaces, KeptBuffers& selections) {
  try {
    trees_.reserve(members_.size());
    for (const Member& member : members_) {
      const dpf::Key* const key = member.query->key;
      tree_of_member_.push_back(key != nullptr ? &trees_.emplace_back(core_.expansion(), *key)
                                               : nullptr);
    }
    std::vector<const Overlay*> overlays;
    for (const Member& member : members_) overlays.push_back(member.query->overlay);
    auto touched = TouchedRecords::collect(geometry, part, kind, overlays, selections);
    if (!touched) return forward_error(touched);
    touched_.emplace(std::move(*touched));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the queries of a pass");
  }
  // An arena of oneTBB for one thread lets a second one in all the same.
  const unsigned threads = std::max(core_.executor().threads(), 2U);
  std::uint64_t most_tasks = plan_.tasks();
  if (!touched_->empty()) {
    overlay_plan_.emplace(geometry.row_bytes, touched_->items(), threads);
    shape_.row_bytes = overlay_plan_->most_strip_bytes();
    shape_.items = overlay_plan_->items_at_once();
    most_tasks = std::max(most_tasks, overlay_plan_->tasks());
  }
  return workspaces_.allocate(shape_, std::min<std::uint64_t>(threads, most_tasks), workspaces);
}

// Expansion and scan take turns in every task: what they share of the threads' time they share of
// the pass.
PassSeconds BatchScan::shares_of(double pass_seconds) const noexcept {
  double all = 0;
  double expansion = 0;
  for (const BatchWorkspace& space : workspaces_.all()) {
    all += space.seconds;
    expansion += space.expansion_seconds;
  }
  const double share = all > 0 ? expansion / all : 0;
  return {.expansion = pass_seconds * share, .scan = pass_seconds * (1 - share), .overlay = 0};
}

unsigned BatchScan::home_of(std::size_t task, const GroupHomes& homes) const noexcept {
  const std::uint64_t part = task / plan_.strips;
  if (part >= plan_.group_tasks) return homes.of_group(plan_.first_group_of_part + plan_.groups);
  return homes.of_group(plan_.block(part * plan_.blocks_per_task).first_group);
}

void BatchScan::run_task(std::size_t task, unsigned node) noexcept {
  const auto start = Clock::now();
  BatchWorkspace* const space = workspaces_.take(node, core_.executor().nodes());
  const std::uint64_t strip = task % plan_.strips;
  const std::uint64_t part = task / plan_.strips;
  if (part < plan_.group_tasks) {
    const std::uint64_t first = part * plan_.blocks_per_task;
    scan_groups(*space, strip, first, std::min(first + plan_.blocks_per_task, plan_.blocks));
  } else {
    const std::uint64_t first = (part - plan_.group_tasks) * plan_.tail_records_per_task;
    scan_tail(*space, strip, plan_.tail_first_record + first,
              std::min(plan_.tail_records_per_task, plan_.tail_records - first));
  }
  space->seconds += seconds_since(start);
  workspaces_.give_back(space);
}

void BatchScan::scan_groups(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_block,
                            std::uint64_t end_block) noexcept {
  const BatchPlan::Strip bytes = plan_.strip(strip);
  clear_accumulators(space, pages_per_group * bytes.bytes);
  std::uint64_t subtrees_first_leaf = from_root;
  if (plan_.whole_groups()) {
    const auto start = Clock::now();
    const BatchPlan::Block last = plan_.block(end_block - 1);
    const std::uint64_t first_group = plan_.block(first_block).first_group;
    const Run all(first_group * plan_.records_per_group,
                  (last.first_group + last.groups - first_group) * plan_.records_per_group, 0);
    subtrees_first_leaf = all.first_leaf;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      if (tree_of_member_[m] == nullptr) continue;
      tree_of_member_[m]->expand_subtrees(all.first_leaf, all.leaves,
                                          space.subtrees + m * shape_.subtrees_stride);
    }
    space.expansion_seconds += seconds_since(start);
  }
  for (std::uint64_t number = first_block; number < end_block; ++number) {
    const BatchPlan::Block block = plan_.block(number);
    const FirstBits first_bits = expand_block(space, strip, block, subtrees_first_leaf);
    scan_block(space, strip, block, first_bits);
  }
  add_to_answers(space, bytes, Bytes::shared);
}

void BatchScan::expand_run(BatchWorkspace& space, const Run& run,
                           std::uint64_t subtrees_first_leaf) const noexcept {
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const std::span<dpf::Block> out(space.bits + m * shape_.bits_stride + run.at, run.leaves);
    if (tree_of_member_[m] == nullptr) {
      std::memcpy(out.data(),
                  members_[m].query->selection.data() + run.first_leaf * sizeof(dpf::Block),
                  out.size_bytes());
    } else if (subtrees_first_leaf == from_root) {
      tree_of_member_[m]->expand(run.first_leaf, out);
    } else {
      tree_of_member_[m]->expand_below(space.subtrees + m * shape_.subtrees_stride,
                                       subtrees_first_leaf, run.first_leaf, out);
    }
  }
}

void BatchScan::keep_touched(const BatchWorkspace& space, const Run& run) noexcept {
  if (touched_->empty()) return;
  touched_->keep(
      run.first_record, run.records,
      {.first_query = bits_of(space, 0), .stride = shape_.bits_stride * sizeof(dpf::Block)},
      run.first_bit());
}

BatchScan::FirstBits BatchScan::expand_block(BatchWorkspace& space, std::uint64_t strip,
                                             const BatchPlan::Block& block,
                                             std::uint64_t subtrees_first_leaf) noexcept {
  const auto start = Clock::now();
  const std::uint64_t first_record = block.first_group * plan_.records_per_group;
  FirstBits first_bits;
  if (plan_.whole_groups()) {
    const Run run(first_record, block.groups * plan_.records_per_group, 0);
    expand_run(space, run, subtrees_first_leaf);
    if (strip == 0) keep_touched(space, run);
    for (std::uint64_t page = 0; page < pages_per_group; ++page) {
      first_bits.of_page[page] = run.first_bit() + page * plan_.items_per_group;
    }
  } else {
    for (std::uint64_t page = 0; page < pages_per_group; ++page) {
      const Run run(first_record + page * plan_.items_per_group + block.first_item, block.items,
                    page * BatchPlan::leaves_of_part);
      expand_run(space, run, subtrees_first_leaf);
      if (strip == 0) keep_touched(space, run);
      first_bits.of_page[page] = run.first_bit();
    }
  }
  space.expansion_seconds += seconds_since(start);
  return first_bits;
}

void BatchScan::scan_block(BatchWorkspace& space, std::uint64_t strip,
                           const BatchPlan::Block& block,
                           const FirstBits& first_bits) const noexcept {
  const BatchPlan::Strip bytes = plan_.strip(strip);
  const std::uint64_t items = block.groups * block.items;
  const std::uint64_t block_item = block.first_group * plan_.items_per_group + block.first_item;
  for (std::uint64_t item = 0; item < items;) {
    const std::uint64_t in_chunk = (block_item + item) % items_per_chunk_;
    const std::uint64_t in_piece = items_per_chunk_ - in_chunk;
    const std::uint8_t* const columns =
        storage_.chunks[(block_item + item) / items_per_chunk_]->data() + in_chunk * item_bytes() +
        pages_per_group * bytes.first_byte;
    const std::uint64_t count =
        std::min<std::uint64_t>({max_items_at_once, items - item, in_piece});
    arrange(space, first_bits, item, count);
    scan_items(space, {.first = columns,
                       .stride = item_bytes(),
                       .columns = pages_per_group * bytes.bytes,
                       .count = count,
                       .in_piece = in_piece});
    item += count;
  }
}

void BatchScan::arrange(BatchWorkspace& space, const FirstBits& first_bits,
                        std::uint64_t first_item, std::uint64_t items) const noexcept {
  for (std::size_t octet = 0; octet < octets_; ++octet) {
    std::uint64_t* const matrices = space.matrices + octet * shape_.matrices_stride;
    const std::uint8_t* bits[octet_queries];
    for (std::size_t q = 0; q < octet_queries; ++q) {
      bits[q] = bits_of(space, octet * octet_queries + q);
    }
    if (plan_.items_per_group == 1) {
      // Eight consecutive records, one in each page: an item's bits are a byte.
      for (const std::uint8_t*& query : bits) query += first_bits.of_page[0] / 8 + first_item;
      functions_.arrange_bytes(bits, items, matrices);
      continue;
    }
    for (std::uint64_t arranged = 0; arranged < items;) {
      const std::uint64_t group = (first_item + arranged) / plan_.items_per_group;
      const std::uint64_t in_group = (first_item + arranged) % plan_.items_per_group;
      const std::uint64_t some = std::min(items - arranged, plan_.items_per_group - in_group);
      functions_.arrange_strings(bits, first_bits.of_page,
                                 group * plan_.records_per_group + in_group, some,
                                 matrices + arranged);
      arranged += some;
    }
  }
}

void BatchScan::clear_accumulators(BatchWorkspace& space, std::uint64_t columns) const noexcept {
  for (std::size_t octet = 0; octet < octets_; ++octet) {
    std::memset(space.accumulators + octet * shape_.accumulator_stride, 0, columns);
  }
}

void BatchScan::scan_items(BatchWorkspace& space, const Items& items) const noexcept {
  const std::uint64_t block_columns =
      std::min<std::uint64_t>(functions_.block_columns, items.columns);
  const std::uint64_t block_items =
      std::max<std::uint64_t>(1, functions_.block_bytes / block_columns);
  for (std::uint64_t item = 0; item < items.count; item += block_items) {
    const std::uint64_t count = std::min(block_items, items.count - item);
    const std::uint8_t* const block = items.first + item * items.stride;
    for (std::uint64_t at = 0; at < items.columns; at += block_columns) {
      const std::uint8_t* next = nullptr;
      if (at + block_columns < items.columns) {
        next = block + at + block_columns;
      } else if (item + 2 * count <= items.in_piece) {
        next = block + count * items.stride;
      }
      for (std::size_t set = 0; set < sets_; ++set) {
        const std::size_t first = octets_ * set / sets_;
        const std::size_t end = octets_ * (set + 1) / sets_;
        functions_.accumulate_octets(
            {.items = block + at,
             .item_stride = items.stride,
             .item_count = count,
             .columns = std::min(block_columns, items.columns - at),
             .matrices = space.matrices + first * shape_.matrices_stride + item,
             .octets = end - first,
             .accumulators = space.accumulators + first * shape_.accumulator_stride + at,
             .accumulator_stride = shape_.accumulator_stride,
             .ahead = next,
             .ahead_stride = items.stride,
             .ahead_part = set,
             .ahead_parts = sets_});
      }
    }
  }
}

void BatchScan::add_to_answers(BatchWorkspace& space, const BatchPlan::Strip& strip,
                               Bytes bytes) noexcept {
  for (std::size_t octet = 0; octet < octets_; ++octet) {
    functions_.separate(space.accumulators + octet * shape_.accumulator_stride, strip.bytes,
                        space.sums, shape_.sum_bytes);
    const std::size_t first = octet * octet_queries;
    const std::size_t end = std::min(first + octet_queries, members_.size());
    std::unique_lock lock(answers_mutex_, std::defer_lock);
    if (bytes == Bytes::shared) lock.lock();
    for (std::size_t m = first; m < end; ++m) {
      xor_into(members_[m].answer + strip.first_byte, space.sums + (m - first) * shape_.sum_bytes,
               strip.bytes);
    }
  }
}

// The tail is row-major: each record is ANDed with its selection bit, for one query after another
// while the records are in the first cache.
void BatchScan::scan_tail(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_record,
                          std::uint64_t records) noexcept {
  const BatchPlan::Strip bytes = plan_.strip(strip);
  const auto start = Clock::now();
  const Run run(first_record, records, 0);
  expand_run(space, run, from_root);
  if (strip == 0) keep_touched(space, run);
  space.expansion_seconds += seconds_since(start);

  const std::uint8_t* const first = storage_.tail->data() +
                                    (first_record - plan_.tail_first_record) * plan_.record_bytes +
                                    bytes.first_byte;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    std::memset(space.sums, 0, bytes.bytes);
    functions_.xor_selected(first, plan_.record_bytes, bytes.bytes, records, bits_of(space, m),
                            run.first_bit(), space.sums);
    const std::lock_guard lock(answers_mutex_);
    xor_into(members_[m].answer + bytes.first_byte, space.sums, bytes.bytes);
  }
}

void BatchScan::scan_touched(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_item,
                             std::uint64_t end_item) noexcept {
  const OverlayPlan& plan = *overlay_plan_;
  const BatchPlan::Strip bytes = plan.strip(strip);
  const std::uint64_t columns = pages_per_group * bytes.bytes;
  for (std::uint64_t item = first_item; item < end_item;) {
    const TouchedRecords::Run run = touched_->run_from(item, end_item);
    // A run that another task may go on with, or began.
    const Bytes of_run =
        item == first_item || run.end_item == end_item ? Bytes::shared : Bytes::own;
    clear_accumulators(space, columns);
    while (item < run.end_item) {
      const std::uint64_t count = std::min(plan.items_at_once(), run.end_item - item);
      for (std::uint64_t i = 0; i < count; ++i) {
        touched_->interleave(functions_, item + i, bytes.first_byte, bytes.bytes, space.rows,
                             space.columns + i * columns);
      }
      for (std::size_t octet = 0; octet < octets_; ++octet) {
        functions_.arrange_pages(touched_->selections(octet, item), count,
                                 space.matrices + octet * shape_.matrices_stride);
      }
      scan_items(space, {.first = space.columns,
                         .stride = columns,
                         .columns = columns,
                         .count = count,
                         .in_piece = count});
      item += count;
    }
    add_to_answers(space, {run.first_byte + bytes.first_byte, bytes.bytes}, of_run);
  }
}

}  // namespace gyre::cpu
