// The overlay part of a batch: selection bits are expanded block by block and forgotten, so those
// of the rows that overlays change are kept aside, and what is on top is scanned at the end like a
// small table of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/kept_buffers.hpp"
#include "backends/cpu/scan_functions.hpp"
#include "backends/cpu/table_part.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "core/overlay.hpp"

namespace gyre::cpu {

// Every row that a batch of an overlay changes has a slot, and a byte for each octet there: which
// of its queries select the row's difference. Eight slots are an item, as eight pages are in a
// table: rows that lie at the same place of their records, and where such rows run out, nothing. A
// row that several batches change has a slot for each.
//
// Thread-safety: once collected, const use from any number of threads; keep() says what it takes.
class TouchedRecords {
 public:
  // The rows of that part that the overlays change, one overlay for each query, and room for every
  // query's selection of them, in memory of `buffers`. Batches that overlays share are looked at
  // once. Errors: out_of_memory.
  [[nodiscard]] static Result<TouchedRecords> collect(const Geometry& geometry,
                                                      const TablePart& part, QueryKind kind,
                                                      std::span<const Overlay* const> overlays,
                                                      KeptBuffers& buffers);
  // Leaves the memory to a later pass. Nothing else may be called after it.
  void give_back(KeptBuffers& buffers) noexcept;

  // Selection bits of as many queries as the octets have, `stride` bytes apart. What lies there
  // for queries that do not exist does not matter.
  struct SelectionBits {
    const std::uint8_t* first_query;
    std::size_t stride;
  };
  // Keeps what each query selects of records first_record … first_record + records - 1, of which
  // the first has bit number first_bit. Ranges that do not overlap may be kept by different threads
  // at once.
  void keep(std::uint64_t first_record, std::uint64_t records, const SelectionBits& bits,
            std::uint64_t first_bit) noexcept;

  [[nodiscard]] bool empty() const noexcept { return items_ == 0; }
  [[nodiscard]] std::uint64_t items() const noexcept { return items_; }

  // Items that lie one behind the other and change the same bytes of their records.
  struct Run {
    std::uint64_t end_item;
    std::uint64_t first_byte;  // of the record
  };
  // From `first_item` on, before `end_item`.
  [[nodiscard]] Run run_from(std::uint64_t first_item, std::uint64_t end_item) const noexcept;

  // What an item changes in bytes first_byte … first_byte + bytes - 1 of its rows, as 8 * bytes
  // columns. `rows`: room for 8 * bytes. Bytes are counted from the beginning of the row.
  void interleave(const ScanFunctions& functions, std::uint64_t item, std::uint64_t first_byte,
                  std::uint64_t bytes, std::uint8_t* rows, std::uint8_t* columns) const noexcept;

  // Bytes for ScanFunctions::arrange_pages of items from that one on. REQUIRES: all records were
  // kept.
  [[nodiscard]] const std::uint8_t* selections(std::size_t octet,
                                               std::uint64_t item) const noexcept {
    return selections_ + octet * slots_ + pages_per_group * item;
  }

 private:
  struct Row {
    std::uint64_t record;
    std::uint64_t slot;
    std::uint64_t batch;
  };

  TouchedRecords(const Geometry& geometry, const TablePart& part, QueryKind kind) noexcept
      : row_bytes_(geometry.row_bytes),
        rows_of_part_(rows_of(geometry, part)),
        rows_per_record_(kind == QueryKind::row ? 1 : geometry.rows_per_page),
        first_record_(record_of(rows_of_part_.first)) {}

  void collect_batches(std::span<const Overlay* const> overlays);
  [[nodiscard]] Result<void> allocate(std::uint64_t rows, KeptBuffers& buffers);
  void count_rows() noexcept;
  void give_slots_to_places() noexcept;
  void list_rows() noexcept;

  // Without a division for single rows.
  [[nodiscard]] std::uint64_t record_of(std::uint64_t row) const noexcept {
    return rows_per_record_ == 1 ? row : row / rows_per_record_;
  }
  [[nodiscard]] std::uint64_t range_of(std::uint64_t record) const noexcept {
    return (record - first_record_) >> range_bits_;
  }

  std::uint64_t row_bytes_;
  RowRange rows_of_part_;
  std::uint64_t rows_per_record_;
  std::uint64_t first_record_;  // of the part

  std::vector<BatchRows> batches_;
  std::size_t octets_ = 0;
  // Of every octet a byte for each batch: the queries whose overlay has it.
  std::vector<std::uint8_t> members_;

  // Records are kept in ranges of this many bits' worth of them, so that a block's rows are found
  // without looking for them in every batch; to sort them would take longer.
  unsigned range_bits_ = 0;
  std::uint64_t ranges_ = 0;
  std::uint64_t slots_ = 0;
  std::uint64_t items_ = 0;

  HugeBuffer memory_;                           // of what follows
  std::uint64_t* first_of_range_ = nullptr;     // in rows_, and one behind the last
  std::uint64_t* next_of_place_ = nullptr;      // slots
  Row* rows_ = nullptr;                         // by range
  const std::uint8_t** differences_ = nullptr;  // by slot, null where it is none's
  std::uint32_t* place_of_item_ = nullptr;      // row of the record
  std::uint8_t* selections_ = nullptr;          // of every octet one for each slot
};

}  // namespace gyre::cpu
