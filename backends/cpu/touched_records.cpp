#include "backends/cpu/touched_records.hpp"

#include <new>
#include <unordered_map>
#include <utility>

#include "backends/cpu/xor_masked.hpp"

namespace gyre::cpu {

Result<TouchedRecords> TouchedRecords::collect(const Geometry& geometry, const TablePart& part,
                                               QueryKind kind,
                                               std::span<const Overlay* const> overlays,
                                               MemoryAccount& account) {
  try {
    TouchedRecords touched(geometry, part, kind);
    touched.collect_batches(overlays);
    touched.list_records();
    auto masks = HugeBuffer::allocate(overlays.size() * touched.records_.size(), account);
    if (!masks) return forward_error(masks);
    touched.masks_ = std::move(*masks);
    return touched;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the selection of updated records");
  }
}

void TouchedRecords::collect_batches(std::span<const Overlay* const> overlays) {
  std::unordered_map<const Overlay*, std::size_t> overlay_numbers;
  std::unordered_map<const OverlayBatch*, std::size_t> batch_numbers;
  for (const Overlay* overlay_of_query : overlays) {
    const auto [overlay, new_overlay] =
        overlay_numbers.try_emplace(overlay_of_query, overlays_.size());
    overlay_of_query_.push_back(overlay->second);
    if (!new_overlay) continue;
    std::vector<std::size_t>& batches = overlays_.emplace_back();
    overlay_of_query->for_each([&](const OverlayBatch& batch) {
      const BatchRows changed = rows_in(batch, rows_of_part_, geometry_.row_bytes);
      if (changed.rows.empty()) return;
      const auto [number, new_batch] = batch_numbers.try_emplace(&batch, batches_.size());
      if (new_batch) batches_.push_back({.changed = changed, .first = 0});
      batches.push_back(number->second);
    });
  }
}

void TouchedRecords::list_records() {
  std::size_t rows = 0;
  for (const Batch& batch : batches_) rows += batch.changed.rows.size();
  records_.reserve(rows);
  for (Batch& batch : batches_) {
    batch.first = records_.size();
    for (const std::uint64_t row : batch.changed.rows) records_.push_back(row / rows_per_record_);
  }
}

void TouchedRecords::add_to(std::size_t query, std::uint8_t* answer) const noexcept {
  const std::uint8_t* const masks = masks_.data() + query * records_.size();
  const std::uint64_t row_bytes = geometry_.row_bytes;
  for (const std::size_t number : overlays_[overlay_of_query_[query]]) {
    const Batch& batch = batches_[number];
    const std::uint8_t* difference = batch.changed.differences;
    for (std::size_t i = 0; i < batch.changed.rows.size(); ++i) {
      xor_masked(answer + batch.changed.rows[i] % rows_per_record_ * row_bytes, difference,
                 row_bytes, masks[batch.first + i]);
      difference += row_bytes;
    }
  }
}

}  // namespace gyre::cpu
