// What one kind of query is to the kernels, and the part of a table that one round of them treats.
#pragma once

#include <cstdint>

#include "backends/cuda/table_layout.hpp"

namespace gyre::cuda {

// Queries for records of so many words: whole pages, or rows, of which a page has several. Then
// each group has one mask of 32 bits for every row position in a page.
struct QueryShape {
  std::uint32_t record_words = 0;
  std::uint32_t records_per_page = 0;

  [[nodiscard]] static constexpr QueryShape of_pages(const TableLayout& layout) noexcept {
    return {layout.page_words, 1};
  }
  [[nodiscard]] static constexpr QueryShape of_rows(const TableLayout& layout) noexcept {
    return {layout.row_words, layout.rows_per_page()};
  }
  // Of a query's accumulator: one word for each bit of the answer, whose parity it is.
  [[nodiscard]] constexpr std::uint64_t accumulator_words() const noexcept {
    return std::uint64_t{pages_per_group} * record_words;
  }
};

// Pages first_page … end_page - 1 and the selection bits of their records.
struct Chunk {
  std::uint64_t first_page = 0;  // a multiple of 128: its records begin with a leaf
  std::uint64_t end_page = 0;

  [[nodiscard]] constexpr std::uint64_t first_record(const QueryShape& shape) const noexcept {
    return first_page * shape.records_per_page;
  }
  [[nodiscard]] constexpr std::uint64_t end_record(const QueryShape& shape) const noexcept {
    return end_page * shape.records_per_page;
  }
  [[nodiscard]] constexpr std::uint64_t first_leaf(const QueryShape& shape) const noexcept {
    return first_record(shape) / 128;
  }
  [[nodiscard]] constexpr std::uint64_t leaves(const QueryShape& shape) const noexcept {
    return (end_record(shape) + 127) / 128 - first_leaf(shape);
  }
  [[nodiscard]] constexpr std::uint64_t first_group() const noexcept {
    return first_page / pages_per_group;
  }
  // Only the last chunk may end with pages that are no whole group.
  [[nodiscard]] constexpr std::uint64_t groups() const noexcept {
    return (end_page - first_page) / pages_per_group;
  }
  [[nodiscard]] constexpr std::uint32_t tail_pages() const noexcept {
    return static_cast<std::uint32_t>((end_page - first_page) % pages_per_group);
  }
};

// Selection bits of a chunk, as leaves come: `stride` words from one query's to the next's.
struct SelectionBits {
  const std::uint32_t* words = nullptr;
  std::uint64_t stride = 0;

  // Of a record counted from the chunk's first: all ones or all zeros.
  [[nodiscard]] GYRE_ON_DEVICE std::uint32_t mask(std::uint64_t query,
                                                  std::uint64_t record) const noexcept {
    return 0U - ((words[query * stride + record / 32] >> (record % 32)) & 1U);
  }
};

}  // namespace gyre::cuda
