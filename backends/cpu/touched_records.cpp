#include "backends/cpu/touched_records.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>

#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/memory_pieces.hpp"
#include "core/bytes.hpp"

namespace gyre::cpu {
namespace {

// Ranges of records to find rows by: a few rows each, and no more ranges than a cache likes.
constexpr std::uint64_t rows_per_range = 4;
constexpr std::uint64_t most_ranges = 65'536;

}  // namespace

Result<TouchedRecords> TouchedRecords::collect(const Geometry& geometry, const TablePart& part,
                                               QueryKind kind,
                                               std::span<const Overlay* const> overlays,
                                               KeptBuffers& buffers) {
  try {
    TouchedRecords touched(geometry, part, kind);
    touched.collect_batches(overlays);
    std::uint64_t rows = 0;
    for (const BatchRows& batch : touched.batches_) rows += batch.rows.size();
    if (rows == 0) return touched;
    if (auto allocated = touched.allocate(rows, buffers); !allocated) {
      return forward_error(allocated);
    }
    touched.count_rows();
    touched.give_slots_to_places();
    touched.list_rows();
    return touched;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the selection of updated records");
  }
}

void TouchedRecords::give_back(KeptBuffers& buffers) noexcept {
  if (memory_.size() != 0) buffers.give_back(std::move(memory_));
}

void TouchedRecords::collect_batches(std::span<const Overlay* const> overlays) {
  std::unordered_map<const Overlay*, std::size_t> overlay_numbers;
  std::unordered_map<const OverlayBatch*, std::size_t> batch_numbers;
  std::vector<std::vector<std::size_t>> batches_of_overlay;
  std::vector<std::size_t> overlay_of_query;
  for (const Overlay* overlay_of_this : overlays) {
    const auto [overlay, new_overlay] =
        overlay_numbers.try_emplace(overlay_of_this, batches_of_overlay.size());
    overlay_of_query.push_back(overlay->second);
    if (!new_overlay) continue;
    std::vector<std::size_t>& batches = batches_of_overlay.emplace_back();
    overlay_of_this->for_each([&](const OverlayBatch& batch) {
      const BatchRows changed = rows_in(batch, rows_of_part_, row_bytes_);
      if (changed.rows.empty()) return;
      const auto [number, new_batch] = batch_numbers.try_emplace(&batch, batches_.size());
      if (new_batch) batches_.push_back(changed);
      batches.push_back(number->second);
    });
  }
  octets_ = divide_rounding_up(overlays.size(), octet_queries);
  members_.resize(octets_ * batches_.size());
  for (std::size_t query = 0; query < overlays.size(); ++query) {
    std::uint8_t* const of_octet = members_.data() + query / octet_queries * batches_.size();
    for (const std::size_t batch : batches_of_overlay[overlay_of_query[query]]) {
      of_octet[batch] = static_cast<std::uint8_t>(of_octet[batch] | 1U << query % octet_queries);
    }
  }
}

Result<void> TouchedRecords::allocate(std::uint64_t rows, KeptBuffers& buffers) {
  const std::uint64_t last_record = record_of(rows_of_part_.end - 1) - first_record_;
  const std::uint64_t ranges = std::clamp<std::uint64_t>(rows / rows_per_range, 1, most_ranges);
  while (last_record >> range_bits_ >= ranges) ++range_bits_;
  ranges_ = (last_record >> range_bits_) + 1;
  // Each place of a record that has rows may leave all slots but one of its last item free.
  const std::uint64_t places_with_rows = std::min(rows, rows_per_record_);
  const std::uint64_t most_items = (rows - places_with_rows) / pages_per_group + places_with_rows;
  const auto most_slots = checked_multiply(most_items, pages_per_group);

  const auto lay_out = [&](std::uint8_t* memory) {
    MemoryPieces pieces(memory);
    first_of_range_ = pieces.take<std::uint64_t>(ranges_ + 2);
    next_of_place_ = pieces.take<std::uint64_t>(rows_per_record_);
    rows_ = pieces.take<Row>(rows);
    differences_ = pieces.take<const std::uint8_t*>(most_slots);
    place_of_item_ = pieces.take<std::uint32_t>(most_items);
    selections_ = pieces.take<std::uint8_t>(most_slots ? checked_multiply(*most_slots, octets_)
                                                       : std::nullopt);
    return pieces.used();
  };
  const auto bytes = lay_out(nullptr);
  if (!bytes) {
    return fail(ErrorCode::out_of_memory, "no memory for the selection of updated records");
  }
  auto memory = buffers.take(*bytes);
  if (!memory) return forward_error(memory);
  memory_ = std::move(*memory);
  lay_out(memory_.data());
  return {};
}

// How many there are of each range, two behind it, and at each place.
void TouchedRecords::count_rows() noexcept {
  std::fill_n(first_of_range_, ranges_ + 2, 0);
  std::fill_n(next_of_place_, rows_per_record_, 0);
  for (const BatchRows& batch : batches_) {
    for (const std::uint64_t row : batch.rows) {
      const std::uint64_t record = record_of(row);
      ++first_of_range_[range_of(record) + 2];
      ++next_of_place_[row - record * rows_per_record_];
    }
  }
}

// Whole items to every place that has rows, what they do not fill being none's.
void TouchedRecords::give_slots_to_places() noexcept {
  for (std::uint64_t place = 0; place < rows_per_record_; ++place) {
    const std::uint64_t first = slots_;
    const std::uint64_t end = first + std::exchange(next_of_place_[place], first);
    for (; slots_ < end; slots_ += pages_per_group) {
      place_of_item_[items_++] = static_cast<std::uint32_t>(place);
    }
    std::fill(differences_ + end, differences_ + slots_, nullptr);
  }
}

void TouchedRecords::list_rows() noexcept {
  // From counts two behind a range to where the one before begins; every row put there moves that
  // on, to where it belongs in the end.
  for (std::uint64_t range = 2; range < ranges_ + 2; ++range) {
    first_of_range_[range] += first_of_range_[range - 1];
  }
  for (std::uint64_t number = 0; number < batches_.size(); ++number) {
    const std::uint8_t* difference = batches_[number].differences;
    for (const std::uint64_t row : batches_[number].rows) {
      const std::uint64_t record = record_of(row);
      const std::uint64_t at = first_of_range_[range_of(record) + 1]++;
      // Of single rows in this order, so that what a block keeps lies together.
      const std::uint64_t slot =
          rows_per_record_ == 1 ? at : next_of_place_[row - record * rows_per_record_]++;
      rows_[at] = {.record = record, .slot = slot, .batch = number};
      differences_[slot] = difference;
      difference += row_bytes_;
    }
  }
}

// A byte that is written may be part of anything, as far as a compiler knows: so what is needed of
// this object is read before.
void TouchedRecords::keep(std::uint64_t first_record, std::uint64_t records,
                          const SelectionBits& bits, std::uint64_t first_bit) noexcept {
  const std::size_t stride = bits.stride;
  const std::size_t batches = batches_.size();
  const Row* const begin = rows_ + first_of_range_[range_of(first_record)];
  const Row* const end = rows_ + first_of_range_[range_of(first_record + records - 1) + 1];
  for (std::size_t octet = 0; octet < octets_; ++octet) {
    const std::uint8_t* const of_octet = bits.first_query + octet * octet_queries * stride;
    const std::uint8_t* const members = members_.data() + octet * batches;
    std::uint8_t* const selections = selections_ + octet * slots_;
    for (const Row* row = begin; row != end; ++row) {
      const std::uint64_t in_block = row->record - first_record;
      if (in_block >= records) continue;  // at the ends, of a range that goes on
      const std::uint64_t bit = first_bit + in_block;
      const std::uint8_t* const byte = of_octet + bit / 8;
      std::uint64_t eight = 0;
#pragma GCC unroll 8
      for (std::size_t query = 0; query < octet_queries; ++query) {
        eight |= std::uint64_t{byte[query * stride]} << 8 * query;
      }
      selections[row->slot] = byte_of_columns(eight, bit % 8) & members[row->batch];
    }
  }
}

TouchedRecords::Run TouchedRecords::run_from(std::uint64_t first_item,
                                             std::uint64_t end_item) const noexcept {
  const std::uint32_t place = place_of_item_[first_item];
  std::uint64_t end = first_item + 1;
  while (end < end_item && place_of_item_[end] == place) ++end;
  return {.end_item = end, .first_byte = place * row_bytes_};
}

void TouchedRecords::interleave(const ScanFunctions& functions, std::uint64_t item,
                                std::uint64_t first_byte, std::uint64_t bytes, std::uint8_t* rows,
                                std::uint8_t* columns) const noexcept {
  for (std::uint64_t i = 0; i < pages_per_group; ++i) {
    const std::uint8_t* const difference = differences_[pages_per_group * item + i];
    if (difference == nullptr) {
      std::memset(rows + i * bytes, 0, bytes);
    } else {
      std::memcpy(rows + i * bytes, difference + first_byte, bytes);
    }
  }
  functions.interleave(rows, bytes, bytes, columns);
}

}  // namespace gyre::cpu
