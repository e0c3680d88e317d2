#include "backends/cpu/scan_kernel.hpp"

#include <array>
#include <string>

namespace gyre::cpu {
namespace {

const std::array kernels = {
#if defined(__x86_64__)
    ScanKernel{"avx512gfni",
               CpuFeatures::avx512f | CpuFeatures::avx512bw | CpuFeatures::avx512vl |
                   CpuFeatures::avx512vbmi | CpuFeatures::avx512vbmi2 | CpuFeatures::avx2 |
                   CpuFeatures::gfni,
               &avx512gfni_scan_functions},
    ScanKernel{"avx512", CpuFeatures::avx512f | CpuFeatures::avx512bw | CpuFeatures::avx2,
               &avx512_scan_functions},
    ScanKernel{"avx2", CpuFeatures::avx2, &avx2_scan_functions},
#endif
    ScanKernel{"portable", CpuFeatures::none, &portable_scan_functions},
};

}  // namespace

std::span<const ScanKernel> scan_kernels() noexcept {
  return kernels;
}

const ScanKernel& best_scan_kernel(CpuFeatures features) noexcept {
  for (const ScanKernel& kernel : kernels) {
    if (covers(features, kernel.required)) return kernel;
  }
  return kernels.back();
}

Result<const ScanKernel*> find_scan_kernel(std::string_view name, CpuFeatures features) {
  std::string known;
  for (const ScanKernel& kernel : kernels) {
    if (kernel.name == name) {
      if (covers(features, kernel.required)) return &kernel;
      return fail(ErrorCode::cpu_feature_missing,
                  "the scan kernel " + std::string(kernel.name) + " needs a CPU with " +
                      describe(kernel.required) + "; this one has " + describe(features));
    }
    known += (known.empty() ? "" : ", ") + std::string(kernel.name);
  }
  return fail(ErrorCode::bad_configuration,
              "there is no scan kernel of that name; this build has " + known);
}

}  // namespace gyre::cpu
