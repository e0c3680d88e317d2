// What a CPU backend, its staging areas and its images share.
#pragma once

#include <memory>

#include "backends/cpu/executor.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/scan_kernel.hpp"
#include "backends/cpu/table_part.hpp"
#include "core/dpf/expansion_kernel.hpp"

namespace gyre::cpu {

// Thread-safe.
class Core {
 public:
  Core(const ScanKernel& scan, const dpf::ExpansionKernel& expansion,
       std::unique_ptr<Executor> executor, const PartBounds& part_bounds,
       std::uint64_t memory_limit_bytes) noexcept
      : scan_(scan),
        expansion_(expansion),
        executor_(std::move(executor)),
        part_bounds_(part_bounds),
        memory_(memory_limit_bytes) {}

  [[nodiscard]] const ScanKernel& scan() const noexcept { return scan_; }
  [[nodiscard]] const dpf::ExpansionKernel& expansion() const noexcept { return expansion_; }
  [[nodiscard]] Executor& executor() noexcept { return *executor_; }
  // How passes over its images may be cut.
  [[nodiscard]] const PartBounds& part_bounds() const noexcept { return part_bounds_; }
  [[nodiscard]] MemoryAccount& memory() noexcept { return memory_; }

 private:
  const ScanKernel& scan_;
  const dpf::ExpansionKernel& expansion_;
  const std::unique_ptr<Executor> executor_;
  const PartBounds part_bounds_;
  MemoryAccount memory_;
};

}  // namespace gyre::cpu
