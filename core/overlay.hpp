// Batches published on top of an image, as an immutable sequence whose prefixes share their
// storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "core/geometry.hpp"

namespace gyre {

// One batch's part for one table. Row numbers strictly increase; differences[i * row_bytes …] is
// row rows[i] after the batch XOR the same row just before it, so a query adds what it selects of
// every batch and the order does not matter.
struct OverlayBatch {
  std::uint64_t seq = 0;
  std::vector<std::uint64_t> rows;
  std::vector<std::byte> differences;
};

// A sequence of batches. Copying shares; append() makes a longer one and leaves this one as it was,
// so earlier minor epochs stay answerable.
//
// Thread-safety: const use from any number of threads; a value otherwise.
class Overlay {
 public:
  Overlay() = default;
  Overlay(const Overlay&) = default;
  Overlay(Overlay&&) noexcept = default;
  Overlay& operator=(const Overlay&) = default;
  Overlay& operator=(Overlay&&) noexcept = default;
  ~Overlay() = default;

  // This overlay and one batch more, in O(1) beyond the batch itself. Errors: malformed_request
  // (rows not strictly increasing or outside the geometry, sizes that do not match), out_of_memory.
  [[nodiscard]] Result<Overlay> append(const Geometry& geometry, OverlayBatch batch) const;

  // The batches that came after `prefix`, which shares their storage. O(those batches). REQUIRES:
  // this overlay was made from `prefix` by append(). Errors: out_of_memory.
  [[nodiscard]] Result<Overlay> after(const Overlay& prefix) const;

  [[nodiscard]] bool empty() const noexcept { return newest_ == nullptr; }
  [[nodiscard]] std::size_t batches() const noexcept { return newest_ ? newest_->batches : 0; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return newest_ ? newest_->rows : 0; }

  // Calls visit(const OverlayBatch&) for every batch, the newest first.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Node* node = newest_.get(); node != nullptr; node = node->older.get()) {
      visit(*node->batch);
    }
  }

  // XORs into `row` what all batches together change in row `row_number`. O(batches · log rows).
  void apply_to_row(std::uint64_t row_number, std::span<std::byte> row) const noexcept;

 private:
  struct Node {
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();  // iterative: a long chain must not end in deep recursion

    std::shared_ptr<const OverlayBatch> batch;
    std::shared_ptr<const Node> older;
    std::size_t batches = 0;
    std::uint64_t rows = 0;
  };

  // This overlay and one batch that is known to be in order.
  [[nodiscard]] Overlay with(std::shared_ptr<const OverlayBatch> batch) const;

  std::shared_ptr<const Node> newest_;
};

}  // namespace gyre
