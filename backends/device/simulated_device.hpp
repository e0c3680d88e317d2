// A device made of host memory: everything about devices can be tested without one.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/device/device.hpp"

namespace gyre::device {

struct SimulatedDeviceOptions {
  std::uint64_t capacity_bytes = std::uint64_t{8} << 30U;
  // Of copies to and from the host together, bytes a second; 0: as fast as memory.
  std::uint64_t bandwidth = 0;
};

// Copies up are really done in synchronize(): who reuses the host's bytes too early gets a wrong
// image, as on a real device. Computes with scalar code. Thread-safe as the seam says.
class SimulatedDevice final : public Device {
 public:
  explicit SimulatedDevice(const SimulatedDeviceOptions& options) noexcept : options_(options) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "device:sim"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return "scalar"; }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override {
    return options_.capacity_bytes;
  }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept override;

  [[nodiscard]] Result<BufferId> allocate(const Geometry& geometry) override;
  [[nodiscard]] Result<BufferId> allocate_copy(BufferId from,
                                               std::span<const ByteRange> writable) override;
  [[nodiscard]] Result<std::unique_ptr<HostBuffer>> host_buffer(std::uint64_t bytes) override;
  void free(BufferId buffer) noexcept override;
  [[nodiscard]] Result<void> copy_up(BufferId to, std::uint64_t offset,
                                     std::span<const std::byte> from) override;
  [[nodiscard]] Result<void> copy_down(BufferId from, std::uint64_t offset,
                                       std::span<std::byte> to) override;
  [[nodiscard]] Result<void> synchronize(BufferId buffer) override;
  [[nodiscard]] Result<void> run(const Scan& scan, std::span<std::byte> answers) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Copy {
    std::uint64_t offset;
    std::span<const std::byte> from;
    Clock::time_point done_at;
  };
  struct Memory {
    Geometry geometry;
    std::vector<std::byte> bytes;  // row-major
    std::vector<Copy> pending;
    std::optional<std::vector<ByteRange>> writable;  // of a copy
  };

  [[nodiscard]] Result<BufferId> keep(std::shared_ptr<Memory> memory);

  // Null if there is no such buffer.
  [[nodiscard]] std::shared_ptr<Memory> find(BufferId buffer) const;
  // When a copy of that many bytes, begun now, has gone over the one bus.
  [[nodiscard]] Clock::time_point after_transfer(std::uint64_t bytes);

  const SimulatedDeviceOptions options_;
  mutable std::mutex mutex_;
  std::uint64_t used_bytes_ = 0;
  BufferId next_id_ = 1;
  std::map<BufferId, std::shared_ptr<Memory>> buffers_;
  Clock::time_point bus_free_at_{};
};

}  // namespace gyre::device
