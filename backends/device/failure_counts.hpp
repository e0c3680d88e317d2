// What a device failed with, and how often, so that an operator learns why images left it.
#pragma once

#include <mutex>
#include <vector>

#include "core/backend.hpp"
#include "core/error.hpp"

namespace gyre::device {

// Thread-safe.
class FailureCounts {
 public:
  // Only so many different ones are told apart; the rest count as one more.
  static constexpr std::size_t most_reasons = 16;

  void add(const Error& error) noexcept;
  // In the order in which each was first seen. May throw bad_alloc.
  [[nodiscard]] std::vector<BackendFailure> list() const;

 private:
  mutable std::mutex mutex_;
  std::vector<BackendFailure> list_;
};

}  // namespace gyre::device
