#include "core/overlay.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/bytes.hpp"
#include "core/fault_point.hpp"

namespace gyre {

Overlay::Node::~Node() {
  // Unlink older nodes one by one as long as this chain is their only owner.
  std::shared_ptr<const Node> next = std::move(older);
  while (next != nullptr && next.use_count() == 1) {
    std::shared_ptr<const Node> after = next->older;
    next.reset();  // its own `older` is shared with `after`, so this frees one node and returns
    next = std::move(after);
  }
}

Result<Overlay> Overlay::append(const Geometry& geometry, OverlayBatch batch) const {
  if (batch.rows.empty() ||
      batch.differences.size() != batch.rows.size() * std::size_t{geometry.row_bytes}) {
    return fail(ErrorCode::malformed_request, "a batch needs row_bytes bytes for each of its rows");
  }
  const auto not_increasing = [](std::uint64_t a, std::uint64_t b) { return a >= b; };
  if (std::adjacent_find(batch.rows.begin(), batch.rows.end(), not_increasing) !=
      batch.rows.end()) {
    return fail(ErrorCode::malformed_request, "the rows of a batch must strictly increase");
  }
  if (batch.rows.back() >= geometry.rows) {
    return fail(ErrorCode::malformed_request, "a batch names a row past the last of the table");
  }
  try {
    return with(std::make_shared<const OverlayBatch>(std::move(batch)));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a batch");
  }
}

Overlay Overlay::with(std::shared_ptr<const OverlayBatch> batch) const {
  auto node = std::make_shared<Node>();
  node->batches = batches() + 1;
  node->rows = rows() + batch->rows.size();
  node->batch = std::move(batch);
  node->older = newest_;
  Overlay longer;
  longer.newest_ = std::move(node);
  return longer;
}

Result<Overlay> Overlay::after(const Overlay& prefix) const {
  GYRE_FAULT_POINT(overlay_rebase);
  try {
    std::vector<std::shared_ptr<const OverlayBatch>> newest_first;
    for (const Node* node = newest_.get(); node != prefix.newest_.get(); node = node->older.get()) {
      newest_first.push_back(node->batch);
    }
    Overlay suffix;
    while (!newest_first.empty()) {
      suffix = suffix.with(std::move(newest_first.back()));
      newest_first.pop_back();
    }
    return suffix;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a batch");
  }
}

void Overlay::apply_to_row(std::uint64_t row_number, std::span<std::byte> row) const noexcept {
  for_each([&](const OverlayBatch& batch) {
    const auto found = std::lower_bound(batch.rows.begin(), batch.rows.end(), row_number);
    if (found == batch.rows.end() || *found != row_number) return;
    const auto at = static_cast<std::size_t>(found - batch.rows.begin()) * row.size();
    for (std::size_t i = 0; i < row.size(); ++i) row[i] ^= batch.differences[at + i];
  });
}

}  // namespace gyre
