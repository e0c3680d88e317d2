// An image whose passes wait until they are let go: for tests of what happens meanwhile.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "core/backend.hpp"

namespace gyre {

// Thread-safe. Everything but answer() goes straight to the image inside.
class HeldImage final : public Image {
 public:
  explicit HeldImage(std::shared_ptr<const Image> inside) : inside_(std::move(inside)) {}

  // Lets all passes go, those to come included.
  void release() const {
    {
      const std::lock_guard lock(mutex_);
      released_ = true;
    }
    changed_.notify_all();
  }
  // Returns once that many passes are in answer().
  void wait_for_passes(std::size_t passes) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passes_ >= passes; });
  }

  [[nodiscard]] const Geometry& geometry() const noexcept override { return inside_->geometry(); }
  [[nodiscard]] std::string_view residency() const noexcept override { return "held"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return inside_->kernel(); }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept override {
    return inside_->memory_bytes();
  }
  [[nodiscard]] Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    {
      std::unique_lock lock(mutex_);
      ++passes_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
    }
    return inside_->answer(pass, answers);
  }
  [[nodiscard]] Result<void> read_rows(std::uint64_t first_row,
                                       std::span<std::byte> out) const override {
    return inside_->read_rows(first_row, out);
  }
  [[nodiscard]] Result<std::shared_ptr<const Image>> with_updates(
      const Overlay& overlay) const override {
    return inside_->with_updates(overlay);
  }

 private:
  std::shared_ptr<const Image> inside_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::size_t passes_ = 0;
  mutable bool released_ = false;
};

}  // namespace gyre
