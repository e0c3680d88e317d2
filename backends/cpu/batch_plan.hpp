// How the work of answering several queries of one kind from a part of a table is cut up: tasks for
// the executor, blocks of selection bits within a task.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/scan_functions.hpp"
#include "backends/cpu/table_part.hpp"
#include "core/bytes.hpp"
#include "core/dpf/block.hpp"
#include "core/dpf/expand.hpp"
#include "core/geometry.hpp"

namespace gyre::cpu {

// A strip is up to strip_bytes of every record: what a task adds up, so that its accumulators stay
// small whatever the record's size. A block is what selection bits are expanded for at a time:
// whole groups, or where a group has more records than a block may have, some items of one group.
struct BatchPlan {
  static constexpr std::uint64_t strip_bytes = 4096;
  // Records whose selection bits are held at a time for one query, about.
  static constexpr std::uint64_t block_records = 65'536;
  // Items of one block where it is part of a group: so many records of each of eight pages.
  static constexpr std::uint64_t part_items = block_records / pages_per_group;
  // A run of records may begin and end within a leaf.
  static constexpr std::uint64_t leaves_of_part = part_items / dpf::bits_per_leaf + 2;
  // Leaves of a task, about, and of any block.
  static constexpr std::uint64_t most_task_leaves = 32'768;
  static constexpr std::uint64_t block_leaves = pages_per_group * leaves_of_part;
  static_assert(most_task_leaves + block_leaves <= dpf::KeyTree::max_leaves_of_subtrees);
  static_assert(block_leaves <= dpf::KeyTree::max_leaves_below);

  BatchPlan(const Geometry& geometry, const InterleavedLayout& layout, const TablePart& part,
            QueryKind kind, unsigned threads) noexcept
      : record_bytes(geometry.answer_bytes(kind)),
        items_per_group(kind == QueryKind::row ? geometry.rows_per_page : 1),
        records_per_group(pages_per_group * items_per_group),
        first_group_of_part(part.first_group),
        groups(part.groups),
        strips(divide_rounding_up(record_bytes, strip_bytes)),
        parts_per_group(records_per_group > block_records
                            ? divide_rounding_up(items_per_group, part_items)
                            : 1),
        tail_first_record(layout.tail_first_page() * items_per_group),
        tail_records(part.tail_pages * items_per_group) {
    const std::uint64_t strip_record_bytes = std::min(record_bytes, strip_bytes);
    const std::uint64_t wanted_bytes =
        std::clamp(part.pages() * geometry.page_bytes() / strips / (threads * tasks_per_thread),
                   least_task_bytes, most_task_bytes);
    const std::uint64_t group_bytes = records_per_group * strip_record_bytes;
    groups_per_block = std::max<std::uint64_t>(
        1, std::min(block_records / records_per_group, wanted_bytes / group_bytes));
    blocks = divide_rounding_up(groups, groups_per_block) * parts_per_group;
    const std::uint64_t block_bytes = groups_per_block * group_bytes / parts_per_group;
    const std::uint64_t leaves_of_block =
        groups_per_block * records_per_group / dpf::bits_per_leaf + 1;
    blocks_per_task =
        std::max<std::uint64_t>(1, std::min(wanted_bytes / std::max<std::uint64_t>(block_bytes, 1),
                                            most_task_leaves / leaves_of_block));
    group_tasks = divide_rounding_up(blocks, blocks_per_task);
    tail_records_per_task =
        std::clamp<std::uint64_t>(tail_task_bytes / strip_record_bytes, 1, block_records);
    tail_tasks = divide_rounding_up(tail_records, tail_records_per_task);
  }

  [[nodiscard]] std::uint64_t tasks() const noexcept { return strips * (group_tasks + tail_tasks); }
  [[nodiscard]] bool whole_groups() const noexcept { return parts_per_group == 1; }

  // Leaves that the selection bits of a block, or of a task's part of the tail, take at most.
  [[nodiscard]] std::uint64_t most_leaves_of_block() const noexcept {
    if (!whole_groups()) return block_leaves;
    const std::uint64_t records = std::max(groups_per_block * records_per_group,
                                           std::min(tail_records_per_task, tail_records));
    return records / dpf::bits_per_leaf + 2;
  }
  // Leaves that the blocks of a task take at most.
  [[nodiscard]] std::uint64_t most_leaves_of_task() const noexcept {
    if (!whole_groups()) return 0;
    return blocks_per_task * groups_per_block * records_per_group / dpf::bits_per_leaf + 2;
  }

  struct Strip {
    std::uint64_t first_byte;  // of the record
    std::uint64_t bytes;
  };
  [[nodiscard]] Strip strip(std::uint64_t number) const noexcept {
    const std::uint64_t first = number * strip_bytes;
    return {first, std::min(strip_bytes, record_bytes - first)};
  }

  // Items first_item … of each of `groups` groups; all items of them unless it is part of a group.
  struct Block {
    std::uint64_t first_group;  // of the table
    std::uint64_t groups;
    std::uint64_t first_item;
    std::uint64_t items;
  };
  [[nodiscard]] Block block(std::uint64_t number) const noexcept {
    const std::uint64_t in_part = number / parts_per_group * groups_per_block;
    const std::uint64_t first_group = first_group_of_part + in_part;
    if (whole_groups()) {
      return {first_group, std::min(groups_per_block, groups - in_part), 0, items_per_group};
    }
    const std::uint64_t first_item = number % parts_per_group * part_items;
    return {first_group, 1, first_item, std::min(part_items, items_per_group - first_item)};
  }

  std::uint64_t record_bytes;
  std::uint64_t items_per_group;
  std::uint64_t records_per_group;
  std::uint64_t first_group_of_part;
  std::uint64_t groups;  // of the part
  std::uint64_t strips;
  std::uint64_t parts_per_group;
  std::uint64_t groups_per_block = 1;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_per_task = 1;
  std::uint64_t group_tasks = 0;  // of each strip
  std::uint64_t tail_first_record;
  std::uint64_t tail_records;
  std::uint64_t tail_records_per_task = 1;
  std::uint64_t tail_tasks = 0;  // of each strip

 private:
  // Enough for threads to finish together, each task large against adding its sums to the answers
  // and starting every key's expansion.
  static constexpr std::uint64_t tasks_per_thread = 8;
  static constexpr std::uint64_t least_task_bytes = std::uint64_t{256} << 10U;
  static constexpr std::uint64_t most_task_bytes = std::uint64_t{64} << 20U;
  static constexpr std::uint64_t tail_task_bytes = std::uint64_t{256} << 10U;
};

// The same for what overlays change: tasks of some items (TouchedRecords) and one strip of their
// rows.
struct OverlayPlan {
  OverlayPlan(std::uint64_t row_bytes_each, std::uint64_t all_items, unsigned threads) noexcept
      : row_bytes(row_bytes_each),
        items(all_items),
        items_per_task(
            std::max(least_task_items, divide_rounding_up(all_items, threads * tasks_per_thread))),
        strips(divide_rounding_up(row_bytes, strip_bytes)) {}

  [[nodiscard]] std::uint64_t tasks() const noexcept {
    return strips * divide_rounding_up(items, items_per_task);
  }
  [[nodiscard]] std::uint64_t most_strip_bytes() const noexcept {
    return std::min(row_bytes, strip_bytes);
  }
  // Items that are interleaved at a time.
  [[nodiscard]] std::uint64_t items_at_once() const noexcept {
    return std::min({column_bytes / (pages_per_group * most_strip_bytes()), items,
                     std::uint64_t{max_items_at_once}});
  }
  [[nodiscard]] BatchPlan::Strip strip(std::uint64_t number) const noexcept {
    const std::uint64_t first = number * strip_bytes;
    return {first, std::min(strip_bytes, row_bytes - first)};
  }

  std::uint64_t row_bytes;
  std::uint64_t items;
  std::uint64_t items_per_task;
  std::uint64_t strips;

 private:
  // Shorter than the table's: of what is interleaved first, many items shall fit into the cache.
  static constexpr std::uint64_t strip_bytes = 512;
  // Large against adding a task's sums to the answers.
  static constexpr std::uint64_t least_task_items = 64;
  static constexpr std::uint64_t tasks_per_thread = 4;
  // Stay in the second-level cache while every octet uses them.
  static constexpr std::uint64_t column_bytes = std::uint64_t{128} << 10U;
  static_assert(column_bytes >= pages_per_group * strip_bytes);
};

}  // namespace gyre::cpu
