// A device that fails as it is told: refuses memory, fails or shortens copies, flips bits on the
// way without a word, is lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "backends/device/device.hpp"

namespace gyre {

// Thread-safe; what it should do may change while it is used.
class FaultyDevice final : public device::Device {
 public:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

  explicit FaultyDevice(std::shared_ptr<device::Device> inside) : inside_(std::move(inside)) {}

  // Everything fails from now on, but giving memory back.
  void lose(bool lost = true) { lost_ = lost; }
  void refuse_memory(bool refuse = true) { refuse_memory_ = refuse; }
  // Scans fail for lack of room on the device.
  void refuse_scans(bool refuse = true) { refuse_scans_ = refuse; }
  // Uploads are counted from now on, the first is 0.
  void fail_upload(std::uint64_t number) { set(failing_upload_, number); }
  // Only the first half of it arrives, and nobody is told.
  void shorten_upload(std::uint64_t number) { set(short_upload_, number); }
  void fail_synchronize(bool fails = true) { fail_synchronize_ = fails; }
  // Whatever is uploaded to that byte of a buffer arrives with this bit changed.
  void flip_bit(std::uint64_t offset, unsigned bit) {
    flipped_ = offset;
    flipped_bit_ = bit;
  }
  void repair() {
    lose(false);
    refuse_memory(false);
    refuse_scans(false);
    fail_upload(never);
    shorten_upload(never);
    fail_synchronize(false);
    flip_bit(never, 0);
  }
  [[nodiscard]] std::uint64_t scans() const { return scans_; }

  [[nodiscard]] std::string_view name() const noexcept override { return inside_->name(); }
  [[nodiscard]] std::string_view kernel() const noexcept override { return inside_->kernel(); }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override {
    return inside_->capacity_bytes();
  }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept override { return inside_->used_bytes(); }
  [[nodiscard]] Result<device::BufferId> allocate(const Geometry& geometry) override {
    if (lost_ || refuse_memory_) return failed();
    return inside_->allocate(geometry);
  }
  [[nodiscard]] Result<device::BufferId> allocate_copy(
      device::BufferId from, std::span<const device::ByteRange> writable) override {
    if (lost_ || refuse_memory_) return failed();
    return inside_->allocate_copy(from, writable);
  }
  [[nodiscard]] Result<std::unique_ptr<device::HostBuffer>> host_buffer(
      std::uint64_t bytes) override {
    return inside_->host_buffer(bytes);
  }
  void free(device::BufferId buffer) noexcept override { inside_->free(buffer); }
  [[nodiscard]] Result<void> copy_up(device::BufferId to, std::uint64_t offset,
                                     std::span<const std::byte> from) override {
    const std::uint64_t number = uploads_++;
    if (lost_ || number == failing_upload_) return failed();
    if (number == short_upload_) from = from.first(from.size() / 2);
    if (flipped_ >= offset && flipped_ - offset < from.size()) {
      const std::lock_guard lock(mutex_);
      // Kept until the device goes: a copy may still be under way.
      auto& bytes = changed_.emplace_back(from.begin(), from.end());
      bytes[flipped_ - offset] ^= static_cast<std::byte>(1U << flipped_bit_);
      return inside_->copy_up(to, offset, bytes);
    }
    return inside_->copy_up(to, offset, from);
  }
  [[nodiscard]] Result<void> copy_down(device::BufferId from, std::uint64_t offset,
                                       std::span<std::byte> to) override {
    if (lost_) return failed();
    return inside_->copy_down(from, offset, to);
  }
  [[nodiscard]] Result<void> synchronize(device::BufferId buffer) override {
    if (lost_ || fail_synchronize_) return failed();
    return inside_->synchronize(buffer);
  }
  [[nodiscard]] Result<void> run(const device::Scan& scan, std::span<std::byte> answers) override {
    ++scans_;
    if (lost_) return failed();
    if (refuse_scans_) return fail(ErrorCode::device_out_of_memory, "no room, says the test");
    return inside_->run(scan, answers);
  }

 private:
  static tl::unexpected<Error> failed() {
    return fail(ErrorCode::device_failed, "the device failed, as the test wanted");
  }
  void set(std::atomic<std::uint64_t>& what, std::uint64_t number) {
    uploads_ = 0;
    what = number;
  }

  const std::shared_ptr<device::Device> inside_;
  std::atomic<bool> lost_{false};
  std::atomic<bool> refuse_memory_{false};
  std::atomic<bool> refuse_scans_{false};
  std::atomic<bool> fail_synchronize_{false};
  std::atomic<std::uint64_t> uploads_{0};
  std::atomic<std::uint64_t> failing_upload_{never};
  std::atomic<std::uint64_t> short_upload_{never};
  std::atomic<std::uint64_t> flipped_{never};
  std::atomic<unsigned> flipped_bit_{0};
  std::atomic<std::uint64_t> scans_{0};
  std::mutex mutex_;
  std::list<std::vector<std::byte>> changed_;
};

}  // namespace gyre
