// The memory of a table in its resident layout.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/interleaved_layout.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

// Chunks are shared between an image and its successors.
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

}  // namespace gyre::cpu
