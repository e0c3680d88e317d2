#include "backends/reference/reference_backend.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/dpf/expand.hpp"
#include "core/dpf/expansion_kernel.hpp"
#include "core/fault_point.hpp"

namespace gyre {
namespace {

using Rows = std::vector<std::byte>;

Error out_of_memory() {
  return {ErrorCode::out_of_memory, "the rows do not fit into host memory"};
}

// All ones where the record is selected, all zeros where not: what is not selected is added as
// zeros, so that the work is the same for every key.
std::byte mask_of(const std::vector<dpf::Block>& leaves, std::uint64_t record) noexcept {
  const dpf::Block& leaf = leaves[record / 128];
  const std::uint64_t bit = record % 128;
  const std::uint64_t half = bit < 64 ? leaf.low : leaf.high;
  return static_cast<std::byte>(0U - static_cast<unsigned>((half >> (bit % 64)) & 1U));
}

void add_masked(std::byte* answer, const std::byte* record, std::uint64_t bytes,
                std::byte mask) noexcept {
  for (std::uint64_t i = 0; i < bytes; ++i) answer[i] ^= record[i] & mask;
}

class ReferenceImage final : public Image {
 public:
  ReferenceImage(const Geometry& geometry, Rows rows) noexcept
      : geometry_(geometry), rows_(std::move(rows)) {}

  [[nodiscard]] const Geometry& geometry() const noexcept override { return geometry_; }
  [[nodiscard]] std::string_view residency() const noexcept override { return "reference"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return "scalar"; }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept override { return rows_.capacity(); }

  [[nodiscard]] Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    GYRE_FAULT_POINT(query_scan);
    try {
      std::byte* answer = answers.data();
      for (const Query& query : pass.queries) {
        answer_one(query, answer);
        answer += geometry_.answer_bytes(query.kind);
      }
      return {};
    } catch (const std::bad_alloc&) {
      return tl::unexpected(out_of_memory());
    }
  }

  [[nodiscard]] Result<void> read_rows(std::uint64_t first_row,
                                       std::span<std::byte> out) const override {
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(first_row * geometry_.row_bytes);
    std::copy_n(begin, out.size(), out.begin());
    return {};
  }

  [[nodiscard]] Result<std::shared_ptr<const Image>> with_updates(
      const Overlay& overlay) const override {
    GYRE_FAULT_POINT(host_alloc);
    try {
      Rows rows = rows_;
      for (std::uint64_t row = 0; row < geometry_.rows; ++row) {
        overlay.apply_to_row(row, {rows.data() + row * geometry_.row_bytes, geometry_.row_bytes});
      }
      return std::make_shared<const ReferenceImage>(geometry_, std::move(rows));
    } catch (const std::bad_alloc&) {
      return tl::unexpected(out_of_memory());
    }
  }

 private:
  void answer_one(const Query& query, std::byte* answer) const {
    const std::uint64_t records = geometry_.records(query.kind);
    const std::uint64_t record_bytes = geometry_.answer_bytes(query.kind);
    std::vector<dpf::Block> leaves(dpf::leaves_for(records));
    if (query.key != nullptr) {
      dpf::expand(*dpf::expansion_kernels().back(), *query.key, 0, leaves);
    } else {
      std::memcpy(leaves.data(), query.selection.data(), leaves.size() * sizeof(dpf::Block));
    }

    std::fill_n(answer, record_bytes, std::byte{0});
    for (std::uint64_t record = 0; record < records; ++record) {
      add_masked(answer, rows_.data() + record * record_bytes, record_bytes,
                 mask_of(leaves, record));
    }
    const std::uint64_t rows_per_record =
        query.kind == QueryKind::page ? geometry_.rows_per_page : 1;
    query.overlay->for_each([&](const OverlayBatch& batch) {
      for (std::size_t i = 0; i < batch.rows.size(); ++i) {
        const std::uint64_t row = batch.rows[i];
        add_masked(answer + row % rows_per_record * geometry_.row_bytes,
                   batch.differences.data() + i * geometry_.row_bytes, geometry_.row_bytes,
                   mask_of(leaves, row / rows_per_record));
      }
    });
  }

  const Geometry geometry_;
  const Rows rows_;
};

class ReferenceStaging final : public Staging {
 public:
  ReferenceStaging(const Geometry& geometry, Rows rows) noexcept
      : geometry_(geometry), rows_(std::move(rows)) {}

  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override {
    if (rows.size() % geometry_.row_bytes != 0) {
      unusable_ = true;
      return fail(ErrorCode::misaligned_size, "rows must come whole");
    }
    const std::uint64_t count = rows.size() / geometry_.row_bytes;
    if (unusable_ || first_row != written_ || count > geometry_.rows - written_) {
      unusable_ = true;
      return fail(ErrorCode::geometry_mismatch,
                  "rows must come in order, each once, and no more than the table has");
    }
    std::copy(rows.begin(), rows.end(),
              rows_.begin() + static_cast<std::ptrdiff_t>(first_row * geometry_.row_bytes));
    written_ += count;
    return {};
  }

  [[nodiscard]] Result<std::shared_ptr<const Image>> seal() override {
    if (unusable_ || written_ != geometry_.rows) {
      unusable_ = true;
      return fail(ErrorCode::geometry_mismatch,
                  "every row must be written before an image is sealed");
    }
    unusable_ = true;
    Rows rows = std::move(rows_);
    GYRE_FAULT_POINT(staging_seal);
    try {
      return std::make_shared<const ReferenceImage>(geometry_, std::move(rows));
    } catch (const std::bad_alloc&) {
      return tl::unexpected(out_of_memory());
    }
  }

 private:
  const Geometry geometry_;
  Rows rows_;
  std::uint64_t written_ = 0;
  bool unusable_ = false;  // after an error or seal()
};

}  // namespace

Result<std::unique_ptr<Staging>> ReferenceBackend::stage(const Geometry& geometry) {
  GYRE_FAULT_POINT(host_alloc);
  try {
    return std::make_unique<ReferenceStaging>(geometry, Rows(geometry.bytes()));
  } catch (const std::bad_alloc&) {
    return tl::unexpected(out_of_memory());
  } catch (const std::length_error&) {
    return tl::unexpected(out_of_memory());
  }
}

}  // namespace gyre
