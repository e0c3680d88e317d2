// How much heap memory a test takes.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <thread>

#include "tests/support/sanitized.hpp"

#if defined(GYRE_SANITIZED)
// Of the sanitizers' allocator; g++ comes without the header that declares it.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace gyre {

// The most heap memory in use at once while it lives, bytes. What the allocator holds back after it
// was freed does not count: the sanitizers' quarantine alone is larger than any bound worth
// testing.
class HeapPeak {
 public:
  HeapPeak()
      : sampler_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            peak_ = std::max(peak_.load(), in_use());
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }) {}

  static std::size_t in_use() {
#if defined(GYRE_SANITIZED)
    return __sanitizer_get_current_allocated_bytes();
#else
    const struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
#endif
  }

  std::size_t peak() const {
    return peak_;
  }

 private:
  std::atomic<std::size_t> peak_ = 0;
  std::jthread sampler_;
};

}  // namespace gyre
