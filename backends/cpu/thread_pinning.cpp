#include "backends/cpu/thread_pinning.hpp"

#include <algorithm>
#include <thread>

namespace gyre::cpu {

Processors::Processors() noexcept {
  CPU_ZERO(&set_);
  if (sched_getaffinity(0, sizeof set_, &set_) == 0) return;
  // More processors than the set has room for: the first of them.
  const unsigned known = std::clamp<unsigned>(std::thread::hardware_concurrency(), 1, CPU_SETSIZE);
  for (unsigned cpu = 0; cpu < known; ++cpu) CPU_SET(cpu, &set_);
}

unsigned Processors::count() const noexcept {
  return static_cast<unsigned>(std::max(CPU_COUNT(&set_), 1));
}

void Processors::pin_this_thread(unsigned index) const noexcept {
  unsigned left = index % count();
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set_) || left-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

void Processors::admit_this_thread() const noexcept {
  (void)sched_setaffinity(0, sizeof set_, &set_);
}

}  // namespace gyre::cpu
