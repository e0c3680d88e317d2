// A bound on memory that many requests share.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace gyre::server {

// Counts; allocates nothing itself. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t bytes) noexcept : left_(bytes) {}

  // Part of the budget, given back when it is destroyed. The budget must outlive it.
  class Reservation {
   public:
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation() {
      if (budget_ != nullptr) budget_->left_ += bytes_;
    }

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget& budget, std::uint64_t bytes) noexcept
        : budget_(&budget), bytes_(bytes) {}
    MemoryBudget* budget_;
    std::uint64_t bytes_;
  };

  // Nothing if so much is not left.
  [[nodiscard]] std::optional<Reservation> reserve(std::uint64_t bytes) noexcept {
    std::uint64_t left = left_;
    do {
      if (left < bytes) return std::nullopt;
    } while (!left_.compare_exchange_weak(left, left - bytes));
    return Reservation(*this, bytes);
  }

  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }

 private:
  std::atomic<std::uint64_t> left_;
};

}  // namespace gyre::server
