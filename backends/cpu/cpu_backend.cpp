#include "backends/cpu/cpu_backend.hpp"

#include <new>
#include <utility>

#include "backends/cpu/core.hpp"
#include "backends/cpu/cpu_staging.hpp"
#include "backends/cpu/memory_limit.hpp"
#include "core/cpu_features.hpp"

namespace gyre {
namespace {

Result<std::unique_ptr<cpu::Executor>> make_executor(const CpuBackendOptions& options) {
  if (options.threads > cpu::max_threads) {
    return fail(ErrorCode::bad_configuration, "a CPU backend runs on at most 1024 threads");
  }
  const unsigned threads = options.threads != 0 ? options.threads : cpu::available_threads();
  if (options.executor == "pool") return cpu::make_pool_executor(threads, options.pin_threads);
  if (options.executor == "tbb") return cpu::make_tbb_executor(threads, options.pin_threads);
  if (!options.executor.empty()) {
    return fail(ErrorCode::bad_configuration, "the executor must be tbb or pool");
  }
  const cpu::MemoryNodes nodes = cpu::MemoryNodes::of_this_process();
  return cpu::has_tbb_executor() && nodes.count() == 1
             ? cpu::make_tbb_executor(threads, options.pin_threads)
             : cpu::make_pool_executor(threads, options.pin_threads, nodes);
}

constexpr unsigned max_parts = 1024;
constexpr std::uint64_t max_least_part_bytes = std::uint64_t{1} << 40U;

}  // namespace

CpuBackend::CpuBackend(std::shared_ptr<cpu::Core> core) noexcept : core_(std::move(core)) {}
CpuBackend::~CpuBackend() = default;

Result<std::unique_ptr<CpuBackend>> CpuBackend::create(const CpuBackendOptions& options) {
  const CpuFeatures features = cpu_features();
  const cpu::ScanKernel* scan = &cpu::best_scan_kernel(features);
  if (!options.kernel.empty()) {
    auto found = cpu::find_scan_kernel(options.kernel, features);
    if (!found) return forward_error(found);
    scan = *found;
  }
  const dpf::ExpansionKernel* expansion = &dpf::best_expansion_kernel();
  if (!options.expansion_kernel.empty()) {
    auto found = dpf::find_expansion_kernel(options.expansion_kernel);
    if (!found) return forward_error(found);
    expansion = *found;
  }
  if (options.parts == 0 || options.parts > max_parts ||
      options.least_part_bytes > max_least_part_bytes) {
    return fail(ErrorCode::bad_configuration, "a pass has 1 to 1024 parts");
  }
  try {
    auto executor = make_executor(options);
    if (!executor) return forward_error(executor);
    const std::uint64_t memory_limit_bytes = options.memory_limit_bytes != 0
                                                 ? options.memory_limit_bytes
                                                 : cpu::available_memory_bytes();
    const cpu::PartBounds parts{.least_bytes = options.least_part_bytes * (*executor)->threads(),
                                .most_parts = options.parts};
    auto core = std::make_shared<cpu::Core>(*scan, *expansion, std::move(*executor), parts,
                                            memory_limit_bytes);
    return std::unique_ptr<CpuBackend>(new CpuBackend(std::move(core)));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a CPU backend");
  }
}

Result<std::unique_ptr<Staging>> CpuBackend::stage(const Geometry& geometry) {
  return cpu::CpuStaging::create(core_, geometry);
}

std::string_view CpuBackend::kernel() const noexcept {
  return core_->scan().name;
}
std::string_view CpuBackend::expansion_kernel() const noexcept {
  return core_->expansion().name;
}
std::string_view CpuBackend::executor() const noexcept {
  return core_->executor().name();
}
unsigned CpuBackend::threads() const noexcept {
  return core_->executor().threads();
}
std::uint64_t CpuBackend::memory_used_bytes() const noexcept {
  return core_->memory().used_bytes();
}

}  // namespace gyre
