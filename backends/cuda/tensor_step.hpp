// The scan as matrix products on tensor cores, for many queries at once: accumulators (words ×
// queries) += data (words × groups' bits) · masks (groups' bits × queries), where a product counts
// the bits that both have and the parity of the count is what a scan wants.
//
// The layout makes both operands: 32 bits of a word belong to 32 pages, and 32 bits of a mask to
// the same ones, so whatever is done to turn one into elements is done to the other. A count is of
// 32 bits; one of more than 2^31 pages would wrap around, and its parity would still be right.
#pragma once

#include <cstdint>

#include "backends/cuda/crew.hpp"
#include "backends/cuda/matrix_product.hpp"
#include "backends/cuda/scan_work.hpp"

namespace gyre::cuda {

// A warp has 32 neighbouring words of a record's bits, 8 vectors of 4, and tiles · 8 queries.
template <typename Kind, unsigned tiles>
struct TensorStep {
  static constexpr unsigned warps = 4;
  static constexpr unsigned threads = 32 * warps;
  static constexpr unsigned blocks_at_once = tiles > 8 ? 2 : 3;
  static constexpr unsigned queries = tiles * MatrixFragments::columns;
  // The four lanes that share a row hold groups of their own.
  static constexpr unsigned groups_at_once = 4 * Kind::groups_a_lane;

  ScanWork work;

  [[nodiscard]] constexpr std::uint32_t sets() const noexcept { return work.slots / queries; }
  // 32 · record_words words of a record's bits, 32 a warp.
  [[nodiscard]] constexpr std::uint32_t columns() const noexcept { return work.shape.record_words; }
  [[nodiscard]] constexpr std::uint64_t blocks_across() const noexcept {
    return (columns() + warps - 1) / warps;
  }
  [[nodiscard]] constexpr std::uint32_t segments_for(std::uint64_t multiprocessors) const noexcept {
    return work.segments_for((work.groups + groups_at_once - 1) / groups_at_once,
                             blocks_across() * sets(), multiprocessors * blocks_at_once);
  }
  [[nodiscard]] constexpr std::uint64_t blocks() const noexcept {
    return blocks_across() * work.segments * sets();
  }
  [[nodiscard]] constexpr std::uint32_t shared_bytes() const noexcept { return 0; }

  // Where vector number `vector` of the bits of a page's first record lies in a group.
  [[nodiscard]] constexpr std::uint64_t word_of(std::uint32_t vector) const noexcept {
    const std::uint64_t word = std::uint64_t{vector} * 4;
    if (work.shape.records_per_page == 1) return word;
    return word / work.shape.record_words * work.layout.page_words + word % work.shape.record_words;
  }

  template <typename Crew>
  GYRE_ON_DEVICE void run_block(std::uint64_t block, Crew& crew) const {
    const auto set = static_cast<std::uint32_t>(block % sets());
    const std::uint64_t across = block / sets() % blocks_across();
    const auto segment = static_cast<std::uint32_t>(block / sets() / blocks_across());
    crew.template for_each_warp<Lane>(warps, [&](unsigned warp, auto& lanes) {
      const std::uint64_t column = across * warps + warp;
      if (column < columns()) scan(crew, static_cast<std::uint32_t>(column), segment, set, lanes);
    });
  }

  // The registers of a lane.
  struct Lane {
    using Elements = Kind;

    std::uint64_t word;                           // of its vector in a group, at position 0
    std::uint32_t words[4][Kind::groups_a_lane];  // the vector's words in each of its groups
    std::uint32_t masks[tiles][Kind::groups_a_lane];
    std::int32_t counts[2][tiles][4];

    // Register i of an operand of that product. A vector's words x, y are rows r and r + 8 of the
    // first matrix, z, w of the second.
    [[nodiscard]] GYRE_ON_DEVICE constexpr std::uint32_t first(unsigned product, unsigned m,
                                                               unsigned i) const noexcept {
      return Kind::part(words[2 * m + i % 2], product, i / 2);
    }
    [[nodiscard]] GYRE_ON_DEVICE constexpr std::uint32_t second(unsigned product, unsigned t,
                                                                unsigned i) const noexcept {
      return Kind::part(masks[t], product, i);
    }
  };

 private:
  template <typename Crew, typename Lanes>
  GYRE_ON_DEVICE void scan(Crew& crew, std::uint32_t column, std::uint32_t segment,
                           std::uint32_t set, Lanes& lanes) const {
    lanes.each([&](unsigned number, Lane& lane) {
      clear(lane);
      lane.word = word_of(column * 8 + MatrixFragments::first_row(number, 0));
    });
    const std::uint64_t stride = std::uint64_t{work.segments} * groups_at_once;
    for (std::uint64_t group = std::uint64_t{segment} * groups_at_once; group < work.groups;
         group += stride) {
      for (std::uint32_t p = 0; p < work.shape.records_per_page; ++p) {
        lanes.each([&](unsigned number, Lane& lane) {
          load_words(crew, number, group, p, lane);
          load_masks(crew, number, group, p, set, lane);
        });
        multiply(crew, lanes);
      }
    }
    lanes.each(
        [&](unsigned number, const Lane& lane) { add_parities(crew, number, column, set, lane); });
  }

  GYRE_ON_DEVICE static void clear(Lane& lane) {
    GYRE_UNROLL
    for (unsigned m = 0; m < 2; ++m) {
      GYRE_UNROLL
      for (unsigned t = 0; t < tiles; ++t) {
        GYRE_UNROLL
        for (unsigned i = 0; i < 4; ++i) lane.counts[m][t][i] = 0;
      }
    }
  }

  // Groups past the last have masks of zeros: what is read in their place does not matter.
  template <typename Crew>
  GYRE_ON_DEVICE void load_words(Crew& crew, unsigned number, std::uint64_t group,
                                 std::uint32_t position, Lane& lane) const {
    GYRE_UNROLL
    for (unsigned k = 0; k < Kind::groups_a_lane; ++k) {
      const std::uint64_t mine = group + MatrixFragments::first_word(number, 2 * k);
      const std::uint64_t there = mine < work.groups ? mine : group;
      const Words<4> vector = crew.template load<4>(
          work.image + (work.first_group + there) * work.layout.group_words() + lane.word +
          std::uint64_t{position} * work.shape.record_words);
      GYRE_UNROLL
      for (unsigned w = 0; w < 4; ++w) lane.words[w][k] = vector.word[w];
    }
  }

  // Column c of tile t is query c · tiles + t: a lane's masks lie beside each other.
  template <typename Crew>
  GYRE_ON_DEVICE void load_masks(Crew& crew, unsigned number, std::uint64_t group,
                                 std::uint32_t position, std::uint32_t set, Lane& lane) const {
    const std::uint32_t slot = set * queries + MatrixFragments::second_column(number) * tiles;
    const std::uint32_t* const masks =
        work.masks + work.mask_layout(groups_at_once)
                         .index(group + MatrixFragments::second_word(number, 0), position, slot);
    GYRE_UNROLL
    for (unsigned first = 0; first < tiles * Kind::groups_a_lane; first += 4) {
      const Words<4> words = crew.template load<4>(masks + first);
      GYRE_UNROLL
      for (unsigned i = 0; i < 4; ++i) {
        lane.masks[(first + i) / Kind::groups_a_lane][i % Kind::groups_a_lane] = words.word[i];
      }
    }
  }

  template <typename Crew, typename Lanes>
  GYRE_ON_DEVICE static void multiply(Crew& crew, Lanes& lanes) {
    GYRE_UNROLL
    for (unsigned product = 0; product < Kind::products; ++product) {
      GYRE_UNROLL
      for (unsigned m = 0; m < 2; ++m) {
        GYRE_UNROLL
        for (unsigned t = 0; t < tiles; ++t) crew.multiply(lanes, product, m, t);
      }
    }
  }

  template <typename Crew>
  GYRE_ON_DEVICE void add_parities(Crew& crew, unsigned number, std::uint32_t column,
                                   std::uint32_t set, const Lane& lane) const {
    std::uint32_t* const to =
        work.accumulators + std::uint64_t{set} * queries * work.shape.accumulator_words();
    GYRE_UNROLL
    for (unsigned t = 0; t < tiles; ++t) {
      GYRE_UNROLL
      for (unsigned m = 0; m < 2; ++m) {
        GYRE_UNROLL
        for (unsigned i = 0; i < 4; ++i) {
          const unsigned row = MatrixFragments::count_row(number, i);
          const std::uint64_t word = (column * 8 + row % 8) * 4 + 2 * m + row / 8;
          const std::uint64_t query = MatrixFragments::count_column(number, i) * tiles + t;
          crew.add(to + query * work.shape.accumulator_words() + word,
                   static_cast<std::uint32_t>(lane.counts[m][t][i]) & 1U);
        }
      }
    }
  }
};

}  // namespace gyre::cuda
