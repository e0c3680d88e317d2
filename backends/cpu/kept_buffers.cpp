#include "backends/cpu/kept_buffers.hpp"

#include <utility>

namespace gyre::cpu {

KeptBuffers::KeptBuffers(MemoryAccount& account) noexcept : account_(account) {
  account_.add(*this);
}

KeptBuffers::~KeptBuffers() {
  account_.remove(*this);
}

Result<HugeBuffer> KeptBuffers::take(std::uint64_t bytes) {
  Buffers old;  // freed without the lock, as one is that is too small
  {
    HugeBuffer last;
    const std::lock_guard lock(mutex_);
    if (++takes_ % most_takes == 0) {
      old = std::exchange(buffers_, Buffers{});
      kept_ = 0;
    }
    if (kept_ > 0) last = std::move(buffers_[--kept_]);
    if (last.mapped_bytes() >= bytes) return last;
  }
  return HugeBuffer::allocate(bytes, account_);
}

void KeptBuffers::give_back(HugeBuffer buffer) noexcept {
  const std::lock_guard lock(mutex_);
  if (kept_ < most_kept) buffers_[kept_++] = std::move(buffer);
}

void KeptBuffers::release_unused() noexcept {
  Buffers unused;  // freed without the lock
  const std::lock_guard lock(mutex_);
  unused = std::exchange(buffers_, Buffers{});
  kept_ = 0;
}

}  // namespace gyre::cpu
