#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/executor.hpp"
#include "backends/cpu/scan_kernel.hpp"
#include "core/cpu_features.hpp"
#include "tests/conformance/backend_conformance.hpp"

namespace gyre {
namespace {

// Each kernel this CPU runs on each executor of this build, with more threads than most tables have
// tasks, and passes in as many parts as a table has groups, up to three.
std::vector<BackendUnderTest> cpu_backends() {
  std::vector<std::string> executors = {"pool"};
  if (cpu::has_tbb_executor()) executors.emplace_back("tbb");
  std::vector<BackendUnderTest> backends;
  for (const cpu::ScanKernel& kernel : cpu::scan_kernels()) {
    if (!covers(cpu_features(), kernel.required)) continue;
    for (const std::string& executor : executors) {
      const CpuBackendOptions options{.kernel = std::string(kernel.name),
                                      .executor = executor,
                                      .threads = 3,
                                      .parts = 3,
                                      .least_part_bytes = 1};
      backends.push_back({.name = options.kernel + "_" + executor,
                          .make = [options]() -> Result<std::unique_ptr<Backend>> {
                            return CpuBackend::create(options);
                          },
                          .expected_kernel = options.kernel,
                          // Mappings are whole 4 KiB pages: one for groups, one for the tail.
                          .memory_slack_bytes = std::uint64_t{2} * 4095});
    }
  }
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Cpu, BackendConformance, testing::ValuesIn(cpu_backends()), name_of);

}  // namespace
}  // namespace gyre
