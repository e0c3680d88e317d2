// What a CPU backend, its staging areas and its images share.
#pragma once

#include <memory>

#include "backends/cpu/executor.hpp"
#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/scan_kernel.hpp"
#include "core/dpf/expansion_kernel.hpp"

namespace gyre::cpu {

// Thread-safe.
class Core {
 public:
  Core(const ScanKernel& scan, const dpf::ExpansionKernel& expansion,
       std::unique_ptr<Executor> executor, std::uint64_t memory_limit_bytes) noexcept
      : scan_(scan),
        expansion_(expansion),
        executor_(std::move(executor)),
        memory_(memory_limit_bytes) {}

  [[nodiscard]] const ScanKernel& scan() const noexcept { return scan_; }
  [[nodiscard]] const dpf::ExpansionKernel& expansion() const noexcept { return expansion_; }
  [[nodiscard]] Executor& executor() noexcept { return *executor_; }
  [[nodiscard]] MemoryAccount& memory() noexcept { return memory_; }

 private:
  const ScanKernel& scan_;
  const dpf::ExpansionKernel& expansion_;
  const std::unique_ptr<Executor> executor_;
  MemoryAccount memory_;
};

}  // namespace gyre::cpu
