#include "backends/cpu/kept_buffers.hpp"

#include <utility>

namespace gyre::cpu {

Result<HugeBuffer> KeptBuffers::take(std::uint64_t bytes) {
  {
    HugeBuffer last;  // freed without the lock where it is too small
    const std::lock_guard lock(mutex_);
    if (kept_ > 0) last = std::move(buffers_[--kept_]);
    if (last.size() >= bytes) return last;
  }
  return HugeBuffer::allocate(bytes, account_);
}

void KeptBuffers::give_back(HugeBuffer buffer) noexcept {
  const std::lock_guard lock(mutex_);
  if (kept_ < most_kept) buffers_[kept_++] = std::move(buffer);
}

}  // namespace gyre::cpu
