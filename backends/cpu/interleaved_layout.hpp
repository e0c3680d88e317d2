// Where every bit of a table lies in a CPU image: the one source of truth for staging, scan and
// reading back.
//
// Eight consecutive pages are a group. A group stores, for every byte offset b within a page and
// every bit i of that byte, one column byte at 8 * b + i that holds the eight pages' values of that
// bit: bit p is page 8 * group + p. So a group takes exactly the bytes of its eight pages, the
// eight rows at one offset of the eight pages (an item) lie side by side, and a query ANDs a whole
// item with one broadcast selection byte. The pages that fill no group, the tail, stay row-major:
// tables of few large pages do not grow.
//
// Groups are kept in chunks so that folding updates in copies only chunks it changes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backends/cpu/memory_nodes.hpp"
#include "core/geometry.hpp"

namespace gyre::cpu {

inline constexpr std::uint64_t pages_per_group = 8;

// The column bytes of one row byte, bit i in byte i, as page 0 contributes them; shift left by p
// for page p.
[[nodiscard]] constexpr std::uint64_t columns_of_byte(std::uint8_t value) noexcept {
  const std::uint64_t one_bit_a_byte = (value * 0x0101010101010101U) & 0x8040201008040201U;
  return ((one_bit_a_byte + 0x7f7f7f7f7f7f7f7fU) >> 7U) & 0x0101010101010101U;
}

// The byte that page `page` has in these eight column bytes.
[[nodiscard]] constexpr std::uint8_t byte_of_columns(std::uint64_t columns,
                                                     unsigned page) noexcept {
  return static_cast<std::uint8_t>(
      (((columns >> page) & 0x0101010101010101U) * 0x0102040810204080U) >> 56U);
}

// The byte whose bit i is the parity of column byte i: how a scan's accumulators become an answer.
[[nodiscard]] constexpr std::uint8_t parities_of_columns(std::uint64_t columns) noexcept {
  columns ^= columns >> 4U;
  columns ^= columns >> 2U;
  columns ^= columns >> 1U;
  return byte_of_columns(columns, 0);
}

// Thread-safety: a value.
class InterleavedLayout {
 public:
  explicit constexpr InterleavedLayout(const Geometry& geometry) noexcept
      : geometry_(geometry),
        groups_(geometry.pages() / pages_per_group),
        groups_per_chunk_(std::max<std::uint64_t>(1, whole_groups_in_chunk())) {}

  [[nodiscard]] constexpr std::uint64_t groups() const noexcept { return groups_; }
  [[nodiscard]] constexpr std::uint64_t group_bytes() const noexcept {
    return pages_per_group * geometry_.page_bytes();
  }
  [[nodiscard]] constexpr std::uint64_t interleaved_bytes() const noexcept {
    return groups_ * group_bytes();
  }

  [[nodiscard]] constexpr std::uint64_t groups_per_chunk() const noexcept {
    return groups_per_chunk_;
  }
  [[nodiscard]] constexpr std::uint64_t chunks() const noexcept {
    return (groups_ + groups_per_chunk_ - 1) / groups_per_chunk_;
  }
  // The last chunk may be shorter.
  [[nodiscard]] constexpr std::uint64_t chunk_bytes(std::uint64_t chunk) const noexcept {
    return std::min(groups_per_chunk_, groups_ - chunk * groups_per_chunk_) * group_bytes();
  }

  // The memory node, of so many, that a chunk is kept on: consecutive chunks on each. The tail is
  // on the last.
  [[nodiscard]] constexpr unsigned node_of_chunk(std::uint64_t chunk,
                                                 unsigned nodes) const noexcept {
    return node_of_part(std::min(chunk, chunks() - 1), chunks(), nodes);
  }
  // REQUIRES: there is a group. A group past the last one counts as that.
  [[nodiscard]] constexpr unsigned node_of_group(std::uint64_t group,
                                                 unsigned nodes) const noexcept {
    return node_of_chunk(group / groups_per_chunk_, nodes);
  }

  [[nodiscard]] constexpr std::uint64_t tail_first_page() const noexcept {
    return groups_ * pages_per_group;
  }
  [[nodiscard]] constexpr std::uint64_t tail_first_row() const noexcept {
    return tail_first_page() * geometry_.rows_per_page;
  }
  [[nodiscard]] constexpr std::uint64_t tail_pages() const noexcept {
    return geometry_.pages() - tail_first_page();
  }
  [[nodiscard]] constexpr std::uint64_t tail_bytes() const noexcept {
    return tail_pages() * geometry_.page_bytes();
  }

  // Where the columns of a row begin; its byte b has its eight columns at offset + 8 * b, bit
  // `page` of each. REQUIRES: row < tail_first_row().
  struct Place {
    std::uint64_t chunk;
    std::uint64_t offset;  // bytes from the chunk's start
    unsigned page;         // 0 to 7
  };
  [[nodiscard]] constexpr Place place_of_row(std::uint64_t row) const noexcept {
    const std::uint64_t page = row / geometry_.rows_per_page;
    const std::uint64_t row_in_page = row % geometry_.rows_per_page;
    const std::uint64_t group = page / pages_per_group;
    return {.chunk = group / groups_per_chunk_,
            .offset = group % groups_per_chunk_ * group_bytes() +
                      row_in_page * geometry_.row_bytes * pages_per_group,
            .page = static_cast<unsigned>(page % pages_per_group)};
  }

 private:
  // Small enough that few updates leave most chunks alone, and few enough mappings for any table.
  static constexpr std::uint64_t min_chunk_bytes = std::uint64_t{4} << 20U;
  static constexpr std::uint64_t max_chunks = 4096;

  [[nodiscard]] constexpr std::uint64_t whole_groups_in_chunk() const noexcept {
    const std::uint64_t wanted_bytes = std::max(min_chunk_bytes, geometry_.bytes() / max_chunks);
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a page has at least one byte
    return wanted_bytes / group_bytes();
  }

  Geometry geometry_;
  std::uint64_t groups_;
  std::uint64_t groups_per_chunk_;
};

}  // namespace gyre::cpu
