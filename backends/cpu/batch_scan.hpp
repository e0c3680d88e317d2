// Answering several queries of one kind with one reading of a table, or of a part of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "backends/cpu/batch_plan.hpp"
#include "backends/cpu/batch_workspace.hpp"
#include "backends/cpu/core.hpp"
#include "backends/cpu/group_homes.hpp"
#include "backends/cpu/pass_seconds.hpp"
#include "backends/cpu/storage.hpp"
#include "backends/cpu/table_part.hpp"
#include "backends/cpu/touched_records.hpp"
#include "core/backend.hpp"
#include "core/dpf/expand.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

// One batch's pass over a part of a table. Each task reads some of it; for each block of it every
// query's selection bits are expanded, brought into matrices, one for eight queries and eight pages
// each, and used on the block while that lies in the second-level cache. So a query takes some ten
// kilobytes a thread, whatever the size of the table, and one strip of its answer.
class BatchScan {
 public:
  struct Member {
    const Query* query;
    std::uint8_t* answer;  // zeroed, of the kind's answer_bytes
  };

  // Adds to each answer what its query selects in the part, overlay included. Works in memory of
  // `workspaces`, and of `selections` where there are overlays. REQUIRES: queries of that kind, at
  // least one. Errors: out_of_memory.
  [[nodiscard]] static Result<PassSeconds> run(Core& core, const Geometry& geometry,
                                               const InterleavedLayout& layout,
                                               const Storage& storage, KeptBuffers& workspaces,
                                               KeptBuffers& selections, const TablePart& part,
                                               QueryKind kind, std::span<const Member> members);

 private:
  BatchScan(Core& core, const Geometry& geometry, const InterleavedLayout& layout,
            const Storage& storage, const TablePart& part, QueryKind kind,
            std::span<const Member> members) noexcept;

  [[nodiscard]] Result<void> prepare(const Geometry& geometry, const TablePart& part,
                                     QueryKind kind, KeptBuffers& workspaces,
                                     KeptBuffers& selections);
  [[nodiscard]] Result<void> scan_table(const Geometry& geometry, const InterleavedLayout& layout);
  [[nodiscard]] Result<void> scan_overlays();
  [[nodiscard]] PassSeconds shares_of(double pass_seconds) const noexcept;

  // The memory node of what a task reads.
  [[nodiscard]] unsigned home_of(std::size_t task, const GroupHomes& homes) const noexcept;
  // `node`: its home.
  void run_task(std::size_t task, unsigned node) noexcept;
  void scan_groups(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_block,
                   std::uint64_t end_block) noexcept;
  void scan_tail(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_record,
                 std::uint64_t records) noexcept;
  // Items first_item … end_item - 1 of what overlays change.
  void scan_touched(BatchWorkspace& space, std::uint64_t strip, std::uint64_t first_item,
                    std::uint64_t end_item) noexcept;

  // Selection bits of consecutive records, from a query's block number `at` on.
  struct Run {
    Run(std::uint64_t first_record, std::uint64_t records, std::uint64_t at) noexcept;

    // Of the first record, counted from the query's first.
    [[nodiscard]] std::uint64_t first_bit() const noexcept {
      return at * dpf::bits_per_leaf + first_record % dpf::bits_per_leaf;
    }

    std::uint64_t first_record;
    std::uint64_t records;
    std::uint64_t first_leaf;
    std::uint64_t leaves;
    std::uint64_t at;
  };
  // The node expand_run() starts from where there are no subtrees.
  static constexpr std::uint64_t from_root = ~std::uint64_t{0};

  // Expands a run for every query, from the subtrees of the space that begin at that leaf or
  // from_root.
  void expand_run(BatchWorkspace& space, const Run& run,
                  std::uint64_t subtrees_first_leaf) const noexcept;
  void keep_touched(const BatchWorkspace& space, const Run& run) noexcept;

  // Number of the bit that selects item 0 of a block's first group in each of its pages.
  struct FirstBits {
    std::uint64_t of_page[pages_per_group];
  };

  // Makes the bits of a block.
  FirstBits expand_block(BatchWorkspace& space, std::uint64_t strip, const BatchPlan::Block& block,
                         std::uint64_t subtrees_first_leaf) noexcept;
  void scan_block(BatchWorkspace& space, std::uint64_t strip, const BatchPlan::Block& block,
                  const FirstBits& first_bits) const noexcept;
  // Makes matrices of items first_item … of a block, counted over its groups.
  void arrange(BatchWorkspace& space, const FirstBits& first_bits, std::uint64_t first_item,
               std::uint64_t items) const noexcept;
  // Items to scan, `in_piece` of which and of what follows lie one behind the other.
  struct Items {
    const std::uint8_t* first;
    std::uint64_t stride;   // bytes
    std::uint64_t columns;  // of each
    std::uint64_t count;
    std::uint64_t in_piece;
  };
  void clear_accumulators(BatchWorkspace& space, std::uint64_t columns) const noexcept;
  // Uses the matrices on those items.
  void scan_items(BatchWorkspace& space, const Items& items) const noexcept;
  // Whether other tasks may add to the same bytes meanwhile.
  enum class Bytes { shared, own };
  void add_to_answers(BatchWorkspace& space, const BatchPlan::Strip& strip, Bytes bytes) noexcept;

  [[nodiscard]] const std::uint8_t* bits_of(const BatchWorkspace& space,
                                            std::size_t query) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(space.bits + query * shape_.bits_stride);
  }
  [[nodiscard]] std::uint64_t item_bytes() const noexcept {
    return pages_per_group * plan_.record_bytes;
  }

  Core& core_;
  const ScanFunctions& functions_;
  const Storage& storage_;
  const std::uint64_t items_per_chunk_;
  const std::span<const Member> members_;
  const BatchPlan plan_;
  const std::size_t octets_;
  const std::size_t sets_;  // of octets that are scanned for together
  BatchWorkspaceShape shape_;

  std::vector<dpf::KeyTree> trees_;
  std::vector<const dpf::KeyTree*> tree_of_member_;  // null where a query brings its bits
  std::optional<TouchedRecords> touched_;
  std::optional<OverlayPlan> overlay_plan_;  // none where nothing is touched
  BatchWorkspaces workspaces_;
  std::mutex answers_mutex_;
};

}  // namespace gyre::cpu
