// Images in host memory, page-interleaved, scanned with SIMD by several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/backend.hpp"
#include "core/error.hpp"

namespace gyre {

namespace cpu {
class Core;
}

struct CpuBackendOptions {
  // Scan kernel: "avx512gfni", "avx512", "avx2", "portable"; empty: the fastest this CPU runs.
  std::string kernel{};
  // Key expansion kernel, a name of dpf::expansion_kernels(); empty: the fastest this CPU runs.
  std::string expansion_kernel{};
  // "tbb" or "pool"; empty: tbb where the build has it, unless the machine has several memory
  // nodes: the pool alone keeps threads to the memory near them.
  std::string executor{};
  // Threads of one pass, at most 1,024; 0: as many as this process may run at once.
  unsigned threads = 0;
  // Keeps the threads that work beside a pass's own each on one processor.
  bool pin_threads = false;
  // Parts that a pass over an image may be cut into (Image::parts()), at most; 1 to 1,024. Fewer
  // where one would have less of the table than least_part_bytes for each thread.
  unsigned parts = 8;
  std::uint64_t least_part_bytes = std::uint64_t{64} << 20U;  // at most 1 TiB
  // Bytes that images, staging areas and selection bits may take together; 0: the machine's memory,
  // or what this process's control group (memory.max) allows if that is less.
  std::uint64_t memory_limit_bytes = 0;
};

// Thread-safe. Its images and staging areas keep what they need of it alive.
class CpuBackend final : public Backend {
 public:
  // Errors: bad_configuration (no kernel, executor or thread count of that kind),
  // cpu_feature_missing (a kernel asked for by name that this CPU cannot run; never replaced
  // silently), out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<CpuBackend>> create(const CpuBackendOptions& options);
  ~CpuBackend() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "cpu"; }
  // Selection bits of scans included.
  [[nodiscard]] std::uint64_t memory_used_bytes() const noexcept override;
  [[nodiscard]] Result<std::unique_ptr<Staging>> stage(const Geometry& geometry) override;

  [[nodiscard]] std::string_view kernel() const noexcept;
  [[nodiscard]] std::string_view expansion_kernel() const noexcept;
  [[nodiscard]] std::string_view executor() const noexcept;
  [[nodiscard]] unsigned threads() const noexcept;

 private:
  explicit CpuBackend(std::shared_ptr<cpu::Core> core) noexcept;

  std::shared_ptr<cpu::Core> core_;
};

}  // namespace gyre
