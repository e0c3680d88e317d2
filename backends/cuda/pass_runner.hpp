// A pass over one image: expansion, scan, overlay, answers.
//
// The queries of one kind go over the table in chunks, so that selection bits are made shortly
// before they are used and stay in the device's second-level cache. Two streams and two sets of
// buffers: while one chunk is scanned, the next one's keys are expanded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "backends/cuda/pass_plan.hpp"
#include "backends/cuda/query_shape.hpp"
#include "backends/cuda/table_layout.hpp"
#include "core/backend.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// For one thread at a time. Holds what memory it needed until it is destroyed.
class PassRunner {
 public:
  // Errors: device_failed, device_out_of_memory, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<PassRunner>> create(std::shared_ptr<Gpu> gpu,
                                                                  const PassLimits& limits);
  PassRunner(const PassRunner&) = delete;
  PassRunner& operator=(const PassRunner&) = delete;
  ~PassRunner();

  // Takes what passes over such a table need in which up to so many queries share a scan, and their
  // overlays up to so many bytes: none of them will find too little. After an error all is as
  // before. May throw bad_alloc. Errors: device_failed, device_out_of_memory.
  [[nodiscard]] Result<void> reserve(const TableLayout& layout, std::uint32_t queries,
                                     std::uint64_t overlay_bytes);
  // What reserve() would take of the device's memory now.
  [[nodiscard]] std::uint64_t missing_bytes(const TableLayout& layout, std::uint32_t queries,
                                            std::uint64_t overlay_bytes) const noexcept;
  // Of the device's memory, held now.
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept;

  // Answers of the queries, one after another; at most `most` of them share a scan. REQUIRES: an
  // image of that layout, queries as core/backend.hpp wants them, answers of Pass::answer_bytes.
  // May throw bad_alloc. Errors: device_failed, device_out_of_memory, out_of_memory.
  [[nodiscard]] Result<void> run(const std::uint32_t* image, const TableLayout& layout,
                                 std::span<const Query> queries, std::span<std::byte> answers,
                                 std::uint32_t most);

 private:
  struct Batch;
  struct Side {  // one of the two sets of buffers
    GpuMemory nodes;
    GpuMemory bits;
    GpuMemory masks;
    std::unique_ptr<Event> filled;
    std::unique_ptr<Event> used;
  };

  PassRunner(std::shared_ptr<Gpu> gpu, const PassLimits& limits) noexcept
      : gpu_(std::move(gpu)), limits_(limits) {}

  [[nodiscard]] PassNeeds needs_for(const TableLayout& layout, std::uint32_t queries,
                                    std::uint64_t overlay_bytes) const noexcept;
  [[nodiscard]] Result<void> run_batch_or_fail(Batch& batch);
  [[nodiscard]] Result<void> run_batch(Batch& batch);
  // All of the device's memory that is needed, or none, and the host's beside it.
  [[nodiscard]] Result<void> raise_to(const PassNeeds& needs);
  template <typename Visit>
  static void for_each_buffer(auto& runner, const PassNeeds& needs, const Visit& visit);
  [[nodiscard]] Result<void> upload(Batch& batch);
  [[nodiscard]] Result<void> expand_upper_tiers(Batch& batch);
  [[nodiscard]] Result<void> fill(const Batch& batch, const Chunk& chunk, Side& side);
  [[nodiscard]] Result<void> scan(const Batch& batch, std::size_t number, Side& side);
  [[nodiscard]] Result<void> add_overlays(const Batch& batch, std::size_t number,
                                          const SelectionBits& bits);
  [[nodiscard]] Result<void> finish(const Batch& batch);

  const std::shared_ptr<Gpu> gpu_;
  const PassLimits limits_;
  std::unique_ptr<Stream> expanding_;
  std::unique_ptr<Stream> scanning_;
  std::unique_ptr<Event> uploaded_;
  std::array<Side, 2> sides_;
  std::array<GpuMemory, 2> upper_nodes_;
  GpuMemory accumulators_;
  GpuMemory plain_;
  GpuMemory answers_;
  GpuMemory parameters_;
  TransferMemory parameters_up_;
  TransferMemory answers_down_;
};

}  // namespace gyre::cuda
