// The seam to a device: memory of its own, copies, and passes. What CUDA or a simulation fill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "backends/device/failure_counts.hpp"
#include "core/backend.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"

namespace gyre::device {

// Names memory on a device that holds a table; 0 is none.
using BufferId = std::uint64_t;

// Host memory from which a device copies without the host's help. Goes back when dropped.
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  virtual ~HostBuffer() = default;

  [[nodiscard]] virtual std::span<std::byte> bytes() noexcept = 0;
};

// Bytes of a table as if it lay row-major.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// One pass over a table: keys are expanded, rows scanned and overlays added by the device.
struct Scan {
  BufferId rows = 0;
  std::span<const Query> queries;  // as core/backend.hpp wants them
};

// How rows lie in a buffer is the device's own business; offsets count bytes of the table as if it
// lay row-major, and copies to and from the host turn rows as they must. They are whole 4-byte
// words.
//
// Thread-safe, but copies into and out of one buffer are for one thread at a time, and a buffer is
// neither copied into while it is scanned nor freed while it is used. A device that is lost answers
// everything with device_failed; free() and the sizes work even then.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  // What its images were refused while they served.
  [[nodiscard]] FailureCounts& failures() noexcept { return failures_; }

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;    // "device:sim", …
  [[nodiscard]] virtual std::string_view kernel() const noexcept = 0;  // of run(), for results
  [[nodiscard]] virtual std::uint64_t capacity_bytes() const noexcept = 0;
  // Of tables, allocated and not freed, and of what a device keeps for passes over them. What two
  // of them share counts once. 0 without a table.
  [[nodiscard]] virtual std::uint64_t used_bytes() const noexcept = 0;

  // Memory for a table of that geometry, of geometry.bytes(). Errors: device_out_of_memory,
  // device_failed, out_of_memory (of the host).
  [[nodiscard]] virtual Result<BufferId> allocate(const Geometry& geometry) = 0;
  // Memory for another table that begins as a copy of `from` and of which only bytes in `writable`
  // will be copied into: the two may share what holds none of these, and neither knows. Done when
  // it returns. REQUIRES: no copies into `from` are under way. Errors: device_out_of_memory,
  // device_failed, out_of_memory (of the host).
  [[nodiscard]] virtual Result<BufferId> allocate_copy(BufferId from,
                                                       std::span<const ByteRange> writable) = 0;
  virtual void free(BufferId buffer) noexcept = 0;
  // Errors: out_of_memory, device_failed.
  [[nodiscard]] virtual Result<std::unique_ptr<HostBuffer>> host_buffer(std::uint64_t bytes) = 0;

  // Begins to copy host bytes to `offset` in the buffer. They must stay as they are until the next
  // synchronize(buffer). Errors: device_failed, also for bytes that a copy was not made to write.
  [[nodiscard]] virtual Result<void> copy_up(BufferId to, std::uint64_t offset,
                                             std::span<const std::byte> from) = 0;
  // Copies to the host. Done when it returns. Errors: device_failed.
  [[nodiscard]] virtual Result<void> copy_down(BufferId from, std::uint64_t offset,
                                               std::span<std::byte> to) = 0;
  // Waits until every copy into the buffer is done. Errors: device_failed, also of a copy before.
  [[nodiscard]] virtual Result<void> synchronize(BufferId buffer) = 0;

  // For each query the XOR of the records it selects with its overlay on top, one answer after
  // another. Done when it returns. The work does not depend on any key's bits. REQUIRES: answers of
  // the size that Pass::answer_bytes says. Errors: device_failed, device_out_of_memory,
  // out_of_memory.
  [[nodiscard]] virtual Result<void> run(const Scan& scan, std::span<std::byte> answers) = 0;

 private:
  FailureCounts failures_;
};

}  // namespace gyre::device
