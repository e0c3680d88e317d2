#include "core/fault_point.hpp"

#if defined(GYRE_FAULT_POINTS)

#include <atomic>

namespace gyre {
namespace {

std::atomic<FaultHook> installed_hook{nullptr};

}  // namespace

void set_fault_hook(FaultHook hook) noexcept {
  installed_hook.store(hook, std::memory_order_release);
}

std::optional<Error> fault_at(FaultPoint point) {
  const FaultHook hook = installed_hook.load(std::memory_order_acquire);
  if (hook == nullptr) [[likely]] {
    return std::nullopt;
  }
  return hook(point);
}

}  // namespace gyre

#endif
