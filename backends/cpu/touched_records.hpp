// The overlay part of a batch: selection bits are expanded block by block and forgotten, so those
// of the records that overlays change are kept aside, and what is on top is added at the end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/table_part.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "core/overlay.hpp"

namespace gyre::cpu {

class TouchedRecords {
 public:
  // The records of that kind and part that the overlays change, one overlay for each query, and
  // room for every query's selection of them. Batches that overlays share are looked at once.
  // Errors: out_of_memory.
  [[nodiscard]] static Result<TouchedRecords> collect(const Geometry& geometry,
                                                      const TablePart& part, QueryKind kind,
                                                      std::span<const Overlay* const> overlays,
                                                      MemoryAccount& account);

  // Keeps what each query selects of records first_record … first_record + records - 1:
  // bits_of(query) is where bit number first_bit is first_record's. Ranges that do not overlap may
  // be kept by different threads at once.
  template <typename BitsOf>
  void keep(std::uint64_t first_record, std::uint64_t records, const BitsOf& bits_of,
            std::uint64_t first_bit) noexcept {
    for (const Batch& batch : batches_) {
      // The same for all queries: with many batches, looking for it costs more than what follows.
      const auto begin = records_.begin() + static_cast<std::ptrdiff_t>(batch.first);
      const auto end = begin + static_cast<std::ptrdiff_t>(batch.changed.rows.size());
      const auto first = std::lower_bound(begin, end, first_record);
      const auto last = std::lower_bound(first, end, first_record + records);
      if (first != last) keep_some(first, last, first_record, bits_of, first_bit);
    }
  }

  // Adds to the query's answer what its overlay changes in the records it selects. REQUIRES: all
  // records were kept.
  void add_to(std::size_t query, std::uint8_t* answer) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return records_.empty(); }

 private:
  // What a batch of some overlay changes in the part. Row i of it belongs to records_[first + i]. A
  // record that several batches change is there for each: sorting them together cost more than a
  // scan of tens of MiB.
  struct Batch {
    BatchRows changed;
    std::size_t first;
  };

  TouchedRecords(const Geometry& geometry, const TablePart& part, QueryKind kind) noexcept
      : geometry_(geometry),
        rows_of_part_(rows_of(geometry, part)),
        rows_per_record_(kind == QueryKind::row ? 1 : geometry.rows_per_page) {}

  using Records = std::vector<std::uint64_t>::const_iterator;

  template <typename BitsOf>
  void keep_some(Records first, Records last, std::uint64_t first_record, const BitsOf& bits_of,
                 std::uint64_t first_bit) noexcept {
    for (std::size_t query = 0; query < overlay_of_query_.size(); ++query) {
      const std::uint8_t* const bits = bits_of(query);
      std::uint8_t* const masks = masks_.data() + query * records_.size();
      for (auto record = first; record != last; ++record) {
        const std::uint64_t bit = first_bit + (*record - first_record);
        masks[record - records_.begin()] =
            static_cast<std::uint8_t>(0U - ((unsigned{bits[bit / 8]} >> (bit % 8)) & 1U));
      }
    }
  }

  void collect_batches(std::span<const Overlay* const> overlays);
  void list_records();

  Geometry geometry_;
  RowRange rows_of_part_;
  std::uint64_t rows_per_record_;
  std::vector<Batch> batches_;
  std::vector<std::vector<std::size_t>> overlays_;  // numbers of batches
  std::vector<std::size_t> overlay_of_query_;
  std::vector<std::uint64_t> records_;  // of a batch in order
  // Of every query a byte for each record, all ones if it selects it.
  HugeBuffer masks_;
};

}  // namespace gyre::cpu
