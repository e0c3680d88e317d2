// Keeping a thread on one processor, so that it finds its caches again.
#pragma once

#include <sched.h>

namespace gyre::cpu {

// Processors that threads may run on. A value; its functions are thread-safe.
class Processors {
 public:
  // Those that this process may run on when this is made.
  Processors() noexcept;
  explicit Processors(const cpu_set_t& set) noexcept : set_(set) {}

  [[nodiscard]] const cpu_set_t& set() const noexcept { return set_; }
  [[nodiscard]] bool has(unsigned processor) const noexcept {
    return processor < CPU_SETSIZE && CPU_ISSET(processor, &set_);
  }

  // At least one.
  [[nodiscard]] unsigned count() const noexcept;

  // Keeps the calling thread on processor number `index` modulo count(). Advice: where the system
  // refuses, the thread goes on running anywhere.
  void pin_this_thread(unsigned index) const noexcept;
  // Lets the calling thread run on all of them, and on no others. Advice as well.
  void admit_this_thread() const noexcept;

 private:
  cpu_set_t set_;
};

}  // namespace gyre::cpu
