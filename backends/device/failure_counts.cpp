#include "backends/device/failure_counts.hpp"

#include <algorithm>
#include <iterator>
#include <new>

namespace gyre::device {

void FailureCounts::add(const Error& error) noexcept try {
  const std::lock_guard lock(mutex_);
  const auto is_same = [&](const BackendFailure& failure) {
    return failure.code == error.code && failure.reason == error.message;
  };
  auto found = std::find_if(list_.begin(), list_.end(), is_same);
  if (found == list_.end() && list_.size() < most_reasons) {
    found = list_.insert(list_.end(), {error.code, error.message, 0});
  } else if (found == list_.end()) {
    if (list_.size() == most_reasons) list_.push_back({ErrorCode::device_failed, "others", 0});
    found = std::prev(list_.end());
  }
  ++found->count;
} catch (const std::bad_alloc&) {
  // What is being told apart matters less than going on.
}

std::vector<BackendFailure> FailureCounts::list() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

}  // namespace gyre::device
