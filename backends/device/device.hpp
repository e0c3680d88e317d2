// The seam to a device: memory of its own, copies, and a scan. What CUDA or a simulation fill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/backend.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"

namespace gyre::device {

// Names memory on a device; 0 is none.
using BufferId = std::uint64_t;

// One scan of a table that lies row-major in a buffer.
struct Scan {
  BufferId rows = 0;
  Geometry geometry;
  // Each with its selection bits in host memory; the overlay is none of the device's business.
  // (Keys are expanded on the host: the overlay, which lives there, needs the same bits.)
  std::span<const Query> queries;
};

// Thread-safe, but copies into and out of one buffer are for one thread at a time, and a buffer is
// neither copied into while it is scanned nor freed while it is used. A device that is lost answers
// everything with device_failed; free() and the sizes work even then.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;    // "device:sim", …
  [[nodiscard]] virtual std::string_view kernel() const noexcept = 0;  // of run(), for results
  [[nodiscard]] virtual std::uint64_t capacity_bytes() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t used_bytes() const noexcept = 0;  // allocated and not freed

  // Errors: device_out_of_memory, device_failed, out_of_memory (of the host).
  [[nodiscard]] virtual Result<BufferId> allocate(std::uint64_t bytes) = 0;
  virtual void free(BufferId buffer) noexcept = 0;

  // Begins to copy host bytes to `offset` in the buffer. They must stay as they are until the next
  // synchronize(buffer). Errors: device_failed.
  [[nodiscard]] virtual Result<void> copy_up(BufferId to, std::uint64_t offset,
                                             std::span<const std::byte> from) = 0;
  // Copies the first `bytes` from one buffer to another. Done when it returns. Errors:
  // device_failed.
  [[nodiscard]] virtual Result<void> copy_across(BufferId from, BufferId to,
                                                 std::uint64_t bytes) = 0;
  // Copies to the host. Done when it returns. Errors: device_failed.
  [[nodiscard]] virtual Result<void> copy_down(BufferId from, std::uint64_t offset,
                                               std::span<std::byte> to) = 0;
  // Waits until every copy into the buffer is done. Errors: device_failed, also of a copy before.
  [[nodiscard]] virtual Result<void> synchronize(BufferId buffer) = 0;

  // For each query the XOR of the records it selects, one answer after another. Done when it
  // returns. REQUIRES: answers of the size that Pass::answer_bytes says. Errors: device_failed,
  // device_out_of_memory.
  [[nodiscard]] virtual Result<void> run(const Scan& scan, std::span<std::byte> answers) = 0;
};

}  // namespace gyre::device
