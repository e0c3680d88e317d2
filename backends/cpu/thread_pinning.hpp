// Keeping a thread on one processor, so that it finds its caches again.
#pragma once

#include <sched.h>

namespace gyre::cpu {

// The processors that this process may run on when this is made. A value; its functions are
// thread-safe.
class Processors {
 public:
  Processors() noexcept;

  // At least one.
  [[nodiscard]] unsigned count() const noexcept;

  // Keeps the calling thread on processor number `index` modulo count(). Advice: where the system
  // refuses, the thread goes on running anywhere.
  void pin_this_thread(unsigned index) const noexcept;
  // Lets the calling thread run on all of them again.
  void release_this_thread() const noexcept;

 private:
  cpu_set_t set_;
};

}  // namespace gyre::cpu
