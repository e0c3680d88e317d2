// An image in host memory, and what it takes to become one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/cpu/batch_scan.hpp"
#include "backends/cpu/core.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/kept_buffers.hpp"
#include "backends/cpu/pass_seconds.hpp"
#include "backends/cpu/storage.hpp"
#include "core/backend.hpp"

namespace gyre::cpu {

class CpuImage final : public Image {
 public:
  // REQUIRES: a storage of the geometry's layout.
  CpuImage(std::shared_ptr<Core> core, const Geometry& geometry, Storage storage) noexcept;

  [[nodiscard]] const Geometry& geometry() const noexcept override { return geometry_; }
  [[nodiscard]] std::string_view residency() const noexcept override { return "cpu"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return core_->scan().name; }
  // Chunks shared with the image this one was made from count in both.
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept override {
    return storage_.mapped_bytes();
  }
  [[nodiscard]] std::size_t parts() const noexcept override { return parts_; }
  [[nodiscard]] Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override;
  [[nodiscard]] Result<void> read_rows(std::uint64_t first_row,
                                       std::span<std::byte> out) const override;
  [[nodiscard]] Result<std::shared_ptr<const Image>> with_updates(
      const Overlay& overlay) const override;

  // answer() that also says where the time went, for measurements.
  [[nodiscard]] Result<PassSeconds> answer_timed(const Pass& pass,
                                                 std::span<std::byte> answers) const;

  // The memory a scan reads, piece by piece, for measurements.
  [[nodiscard]] std::vector<std::span<const std::uint8_t>> resident_bytes() const;
  [[nodiscard]] Executor& executor() const noexcept { return core_->executor(); }
  [[nodiscard]] std::string_view expansion_kernel() const noexcept {
    return core_->expansion().name;
  }

 private:
  // A query after its expansion.
  struct Selection {
    QueryKind kind;
    const std::uint8_t* bits;
    std::uint8_t* answer;  // zeroed
  };
  struct Plan;

  [[nodiscard]] Result<void> expand(const Query& query, const TablePart& part,
                                    HugeBuffer& bits) const;
  // A query that comes alone: all its selection bits first, then the scan.
  [[nodiscard]] Result<PassSeconds> answer_one(const BatchScan::Member& member,
                                               const TablePart& part) const;
  // Adds every record of the part that the selection selects.
  [[nodiscard]] Result<void> scan(const Selection& selection, const TablePart& table_part) const;
  void scan_groups(const Plan& plan, const Selection& selection, std::uint64_t tile,
                   std::uint64_t first_item, std::uint64_t items, std::uint8_t* sum) const noexcept;
  void add_overlay(const Overlay& overlay, const TablePart& part,
                   const Selection& selection) const noexcept;
  // Copies the chunks of those numbers, in order, into fresh memory of `to`.
  [[nodiscard]] Result<void> copy_chunks(std::span<const std::size_t> numbers, Storage& to) const;

  const std::shared_ptr<Core> core_;
  const Geometry geometry_;
  const InterleavedLayout layout_;
  const std::size_t parts_;
  const Storage storage_;
  mutable KeptBuffers selection_buffers_;
  mutable KeptBuffers workspaces_;          // of batches
  mutable KeptBuffers touched_selections_;  // of rows that overlays change, for batches
};

}  // namespace gyre::cpu
