// Which implementation of the inner loops runs: chosen at start, or forced by name.
#pragma once

#include <span>
#include <string_view>

#include "backends/cpu/scan_functions.hpp"
#include "core/cpu_features.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

struct ScanKernel {
  std::string_view name;
  CpuFeatures required;
  const ScanFunctions* functions;
};

// All kernels of this build, the fastest first; the last is "portable" and runs everywhere.
[[nodiscard]] std::span<const ScanKernel> scan_kernels() noexcept;

// The fastest that a CPU with these features runs.
[[nodiscard]] const ScanKernel& best_scan_kernel(CpuFeatures features) noexcept;

// The one of that name. Errors: bad_configuration for an unknown name, cpu_feature_missing if a CPU
// with these features cannot run it: it is never replaced by another silently.
[[nodiscard]] Result<const ScanKernel*> find_scan_kernel(std::string_view name,
                                                         CpuFeatures features);

}  // namespace gyre::cpu
