// On which memory node each group of a table is kept.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/memory_nodes.hpp"
#include "backends/cpu/table_part.hpp"

namespace gyre::cpu {

// Every part of the table lies on all nodes in equal shares, consecutive chunks on each, so that
// the threads of all nodes have work near them whichever part a pass reads. What a chunk has of the
// part before counts with that. A value.
class GroupHomes {
 public:
  // REQUIRES: the parts of the table, 1 or more nodes.
  constexpr GroupHomes(const InterleavedLayout& layout, std::size_t parts, unsigned nodes) noexcept
      : layout_(layout), parts_(parts), nodes_(nodes) {}

  // A group past the last one, such as the tail would be, counts as that.
  [[nodiscard]] constexpr unsigned of_group(std::uint64_t group) const noexcept {
    if (nodes_ == 1 || layout_.groups() == 0) return 0;
    const std::uint64_t in_chunk = group % layout_.groups_per_chunk();
    const std::uint64_t first = std::min(group - in_chunk, layout_.groups() - 1);
    const std::uint64_t part = part_of(first);
    const TablePart whole = TablePart::of(layout_, static_cast<std::size_t>(part), parts_);
    return node_of_part(first - whole.first_group, whole.groups, nodes_);
  }
  [[nodiscard]] constexpr unsigned of_chunk(std::uint64_t chunk) const noexcept {
    return of_group(chunk * layout_.groups_per_chunk());
  }

 private:
  [[nodiscard]] constexpr std::uint64_t part_of(std::uint64_t group) const noexcept {
    // As TablePart::of() cuts it: `longer` parts of one group more, then the others.
    const std::uint64_t each = layout_.groups() / parts_;
    const std::uint64_t longer = layout_.groups() % parts_;
    const std::uint64_t in_longer = longer * (each + 1);
    return group < in_longer ? group / (each + 1) : longer + (group - in_longer) / each;
  }

  InterleavedLayout layout_;
  std::size_t parts_;
  unsigned nodes_;
};

}  // namespace gyre::cpu
