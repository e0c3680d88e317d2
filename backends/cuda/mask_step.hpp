// Selection bits into the masks that a scan wants: for each group and each position of a record in
// a page, one word a query, bit i for page i of the group, all queries' words beside each other.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/query_shape.hpp"

namespace gyre::cuda {

struct MaskStep {
  static constexpr unsigned threads = 128;
  static constexpr unsigned blocks_at_once = 4;

  QueryShape shape;
  SelectionBits bits;
  std::uint64_t groups = 0;  // of the chunk
  std::uint32_t queries = 0;
  // Masks of a place: at least `queries`; those past the last query become zero.
  std::uint32_t slots = 0;
  std::uint32_t* masks = nullptr;  // [group][record of the page][slot]

  // A thread turns up to 32 positions of one query and group at once.
  [[nodiscard]] constexpr std::uint32_t spans() const noexcept {
    return (shape.records_per_page + 31) / 32;
  }
  [[nodiscard]] constexpr std::uint64_t tasks() const noexcept { return groups * spans() * slots; }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept {
    return (tasks() + threads - 1) / threads;
  }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    crew.for_each(threads, [&](std::uint64_t thread) {
      const std::uint64_t task = block * threads + thread;
      if (task >= tasks()) return;
      const auto slot = static_cast<std::uint32_t>(task % slots);
      const std::uint64_t place = task / slots;
      if (shape.records_per_page == 1) {
        masks[task] = slot < queries ? bits.words[slot * bits.stride + place] : 0;
      } else {
        turn(place / spans(), static_cast<std::uint32_t>(place % spans()) * 32, slot);
      }
    });
  }

 private:
  // Bits of up to 32 records from `position` on in each of 32 pages.
  GYRE_ON_DEVICE void turn(std::uint64_t group, std::uint32_t position, std::uint32_t slot) const {
    const std::uint32_t left = shape.records_per_page - position;
    std::uint32_t m[32];
    GYRE_UNROLL
    for (unsigned page = 0; page < pages_per_group; ++page) {
      const std::uint64_t record =
          (group * pages_per_group + page) * shape.records_per_page + position;
      m[page] = slot < queries ? window(slot, record, left) : 0;
    }
    transpose(m);
    std::uint32_t* const to = masks + (group * shape.records_per_page + position) * slots + slot;
    GYRE_UNROLL
    for (unsigned i = 0; i < 32; ++i) {
      if (i < left) to[std::uint64_t{i} * slots] = m[i];
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
