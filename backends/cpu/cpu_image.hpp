// An image in host memory, and what it takes to become one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "backends/cpu/core.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/interleaved_layout.hpp"
#include "core/backend.hpp"

namespace gyre::cpu {

// Memory of a table in its resident layout. Chunks are shared between an image and its successors.
struct Storage {
  std::vector<std::shared_ptr<HugeBuffer>> chunks;
  std::shared_ptr<HugeBuffer> tail;  // never null; empty where every page is in a group

  // Zeroed rows. REQUIRES: bytes_for(layout) are left of what was reserved. Errors: out_of_memory.
  [[nodiscard]] static Result<Storage> allocate(const InterleavedLayout& layout,
                                                MemoryReservation& reservation);
  // What a table takes from its account.
  [[nodiscard]] static std::uint64_t bytes_for(const InterleavedLayout& layout) noexcept;
  [[nodiscard]] std::uint64_t mapped_bytes() const noexcept;
};

// Buffers for selection bits that come and go with every query: kept for the next one, because the
// first touch of fresh memory costs more than expanding a key into it. Thread-safe.
class SelectionBuffers {
 public:
  SelectionBuffers(std::uint64_t bytes, MemoryAccount& account) noexcept
      : bytes_(bytes), account_(account) {}

  // Errors: out_of_memory.
  [[nodiscard]] Result<HugeBuffer> take();
  void give_back(HugeBuffer buffer) noexcept;

 private:
  static constexpr std::size_t kept_buffers = 4;

  const std::uint64_t bytes_;
  MemoryAccount& account_;
  std::mutex mutex_;
  std::size_t kept_ = 0;
  HugeBuffer buffers_[kept_buffers];
};

// Where the time of a pass went, wall clock.
struct PassSeconds {
  double expansion = 0;  // keys to selection bits
  double scan = 0;       // selection bits and rows to answers
  double overlay = 0;
};

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

  [[nodiscard]] Result<void> expand(const Query& query, HugeBuffer& bits) const;
  // Adds every record that the selections select, each into its answer.
  [[nodiscard]] Result<void> scan(std::span<const Selection> selections) const;
  void scan_groups(const Plan& plan, const Selection& selection, std::uint64_t tile,
                   std::uint64_t first_item, std::uint64_t items, std::uint8_t* sum) const noexcept;
  void add_overlay(const Overlay& overlay, const Selection& selection) const noexcept;

  const std::shared_ptr<Core> core_;
  const Geometry geometry_;
  const InterleavedLayout layout_;
  const Storage storage_;
  mutable SelectionBuffers selection_buffers_;
};

}  // namespace gyre::cpu
