// Steps executed by the host, and what they must come to by their definition.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "backends/cuda/any_scan_step.hpp"

namespace gyre::cuda {

template <typename Step>
void emulate(const Step& step) {
  for (std::uint64_t block = 0; block < step.blocks(); ++block) {
    HostCrew crew(step.shared_bytes());
    step.run_block(block, crew);
  }
}

// The sums of one scan by their definition: [slot][bit][word of a record], modulo 2.
inline std::vector<std::uint32_t> parities_of(const ScanWork& work, const MaskLayout& masks) {
  const std::uint64_t words = work.shape.accumulator_words();
  std::vector<std::uint32_t> sums(work.slots * words);
  for (std::uint64_t group = 0; group < work.groups; ++group) {
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      for (std::uint32_t word = 0; word < work.layout.page_words; ++word) {
        const std::uint32_t value =
            work.image[work.layout.grouped_word(work.first_group + group, bit, word)];
        const std::uint32_t position = word / work.shape.record_words;
        for (std::uint32_t slot = 0; slot < work.slots; ++slot) {
          sums[slot * words + bit * work.shape.record_words + word % work.shape.record_words] ^=
              value & work.masks[masks.index(group, position, slot)];
        }
      }
    }
  }
  for (std::uint32_t& sum : sums) sum = static_cast<std::uint32_t>(std::popcount(sum)) & 1U;
  return sums;
}

// Scans for so many queries by that route, with masks of any bits, and by definition; whether both
// agree. REQUIRES: an image with the groups first_group … first_group + groups - 1.
inline bool scans_by_definition(const TableLayout& layout, const QueryShape& shape, ScanRoute route,
                                std::uint32_t queries, const std::uint32_t* image,
                                std::uint64_t first_group, std::uint64_t groups) {
  const ScanTile tile = tile_for(shape, route, queries);
  const std::uint32_t slots = slots_for(tile, queries);
  const MaskLayout mask_layout{shape.records_per_page, slots, tile.groups_together()};
  std::vector<std::uint32_t> masks(mask_layout.words(groups));
  for (std::uint64_t g = 0; g < groups; ++g) {
    for (std::uint32_t p = 0; p < shape.records_per_page; ++p) {
      for (std::uint32_t s = 0; s < slots; ++s) {
        const std::uint64_t place = mask_layout.index(g, p, s);
        masks[place] = static_cast<std::uint32_t>((place + 1) * 2654435761U);
      }
    }
  }
  std::vector<std::uint32_t> sums(slots * shape.accumulator_words());
  ScanWork work{.layout = layout,
                .shape = shape,
                .image = image,
                .masks = masks.data(),
                .first_group = first_group,
                .groups = groups,
                .slots = slots,
                .accumulators = sums.data()};
  work.segments =
      with_scan_step(tile, work, [](const auto& step) { return step.segments_for(100); });
  with_scan_step(tile, work, [](const auto& step) {
    emulate(step);
    return 0;
  });
  for (std::uint32_t& sum : sums) sum = static_cast<std::uint32_t>(std::popcount(sum)) & 1U;
  return sums == parities_of(work, mask_layout);
}

}  // namespace gyre::cuda
