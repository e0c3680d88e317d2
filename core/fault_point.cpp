#include "core/fault_point.hpp"

#if defined(GYRE_FAULT_POINTS)

namespace gyre {
namespace fault_table {

std::atomic<FaultHook> installed_hook{nullptr};

namespace {

std::atomic<FaultBytesHook> installed_bytes_hook{nullptr};

std::optional<Error> ask_about(FaultPoint point, FaultBytes& bytes) {
  const FaultBytesHook hook = installed_bytes_hook.load(std::memory_order_acquire);
  return hook == nullptr ? ask(point) : hook(point, bytes);
}

}  // namespace

std::optional<Error> ask(FaultPoint point) {
  const FaultHook hook = installed_hook.load(std::memory_order_acquire);
  return hook == nullptr ? std::nullopt : hook(point);
}

std::optional<Error> ask(FaultPoint point, std::span<const std::byte>& bytes) {
  FaultBytes passing{bytes, {}};
  auto fault = ask_about(point, passing);
  bytes = passing.bytes;
  return fault;
}

std::optional<Error> ask(FaultPoint point, std::span<std::byte>& bytes) {
  FaultBytes passing{bytes, bytes};
  auto fault = ask_about(point, passing);
  bytes = bytes.first(std::min(bytes.size(), passing.bytes.size()));
  return fault;
}

}  // namespace fault_table

void set_fault_hook(FaultHook hook, FaultBytesHook bytes_hook) noexcept {
  fault_table::installed_bytes_hook.store(bytes_hook, std::memory_order_release);
  fault_table::installed_hook.store(hook, std::memory_order_release);
}

}  // namespace gyre

#endif
