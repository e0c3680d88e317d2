// Memory of a GPU that can be at several addresses: the part of CUDA's driver for which its runtime
// library has no calls.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// Thread-safe.
class MemoryMapper {
 public:
  MemoryMapper() = default;
  MemoryMapper(const MemoryMapper&) = delete;
  MemoryMapper& operator=(const MemoryMapper&) = delete;
  virtual ~MemoryMapper() = default;

  // See Gpu. The calling thread's current device must be the one that the mapper was opened for.
  [[nodiscard]] virtual std::uint64_t piece_bytes() const noexcept = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<MemoryPiece>> make_piece(std::uint64_t bytes) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Mapping>> map(
      const std::vector<const MemoryPiece*>& pieces, std::uint64_t bytes) = 0;
};

// For the device of that number, whose context must exist. With the driver's mapping of memory, or
// with whole allocations where a driver or device has none. May throw bad_alloc.
[[nodiscard]] std::unique_ptr<MemoryMapper> open_memory_mapper(int device);

}  // namespace gyre::cuda
