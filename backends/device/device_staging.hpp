// Filling a device's image: rows go up through two bounded host buffers, one filled while the other
// is on its way.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "backends/device/device_memory.hpp"
#include "core/backend.hpp"

namespace gyre::device {

class DeviceStaging final : public Staging {
 public:
  // Errors: device_out_of_memory, device_failed, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Staging>> create(std::shared_ptr<Device> device,
                                                               const Geometry& geometry);

  using Buffers = std::array<std::unique_ptr<HostBuffer>, 2>;
  DeviceStaging(const Geometry& geometry, DeviceMemory memory, Buffers buffers) noexcept
      : geometry_(geometry), memory_(std::move(memory)), buffers_(std::move(buffers)) {}
  ~DeviceStaging() override;

  // The device's error is device_upload_failed; then its memory has gone back already.
  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override;
  [[nodiscard]] Result<std::shared_ptr<const Image>> seal() override;

 private:
  [[nodiscard]] Result<void> store(std::span<const std::byte> rows);
  // Waits for the buffer that is on its way, then sends the one that was filled.
  [[nodiscard]] Result<void> send_filled();
  [[nodiscard]] Result<void> wait_for_copies();
  // Gives everything back; only destruction is allowed then.
  void give_up() noexcept;

  const Geometry geometry_;
  std::optional<DeviceMemory> memory_;  // none after an error or seal()
  Buffers buffers_;
  std::size_t filling_ = 0;           // which of them
  std::size_t filled_bytes_ = 0;      // of that one
  std::uint64_t uploaded_bytes_ = 0;  // sent, if not there yet
  std::uint64_t written_rows_ = 0;
};

}  // namespace gyre::device
