// Selection bits into the masks that a scan wants: for each group and each record of its pages one
// word a query, bit i for page i of the group.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/query_shape.hpp"
#include "backends/cuda/scan_work.hpp"
#include "backends/cuda/task_blocks.hpp"

namespace gyre::cuda {

struct MaskStep {
  static constexpr unsigned threads = threads_of_tasks;
  static constexpr unsigned blocks_at_once = 4;

  SelectionBits bits;
  std::uint64_t groups = 0;  // of the chunk
  std::uint32_t queries = 0;
  MaskLayout layout;  // slots past the last query get zeros
  std::uint32_t* masks = nullptr;

  // A thread turns up to 32 records of one query and group at once.
  [[nodiscard]] constexpr std::uint32_t spans() const noexcept {
    return (layout.records_per_page + 31) / 32;
  }
  [[nodiscard]] constexpr std::uint64_t tasks() const noexcept {
    return layout.groups(groups) * spans() * layout.slots;
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept { return blocks_of_tasks(tasks()); }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    for_each_task(crew, block, tasks(), [&](std::uint64_t task) {
      const auto slot = static_cast<std::uint32_t>(task % layout.slots);
      const std::uint64_t group = task / layout.slots / spans();
      const auto span = static_cast<std::uint32_t>(task / layout.slots % spans());
      const bool used = slot < queries && group < groups;
      if (layout.records_per_page == 1) {
        masks[layout.index(group, 0, slot)] = used ? bits.words[slot * bits.stride + group] : 0;
      } else {
        turn(group, span * 32, slot, used);
      }
    });
  }

 private:
  // Bits of up to 32 records from `position` on in each of 32 pages.
  GYRE_ON_DEVICE void turn(std::uint64_t group, std::uint32_t position, std::uint32_t slot,
                           bool used) const {
    const std::uint32_t left = layout.records_per_page - position;
    std::uint32_t m[32];
    GYRE_UNROLL
    for (unsigned page = 0; page < pages_per_group; ++page) {
      const std::uint64_t record =
          (group * pages_per_group + page) * layout.records_per_page + position;
      m[page] = used ? window(slot, record, left) : 0;
    }
    transpose(m);
    std::uint32_t* to = masks + layout.index(group, position, slot);
    GYRE_UNROLL
    for (unsigned i = 0; i < 32; ++i) {
      if (i < left) *to = m[i];
      to += layout.position_stride();
    }
  }

  // 32 bits from `record` on, of which the first `wanted` mean something: reads no word past
  // theirs.
  [[nodiscard]] GYRE_ON_DEVICE std::uint32_t window(std::uint32_t query, std::uint64_t record,
                                                    std::uint32_t wanted) const {
    const std::uint32_t* const word = bits.words + query * bits.stride + record / 32;
    const auto shift = static_cast<std::uint32_t>(record % 32);
    std::uint32_t value = word[0] >> shift;
    if (shift != 0 && wanted > 32 - shift) value |= word[1] << (32 - shift);
    return value;
  }
};

}  // namespace gyre::cuda
