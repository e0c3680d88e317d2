// How the CPU backend spreads work over threads. A seam, because Debian's oneTBB is not
// instrumented for the thread sanitizer and would drown it in false reports: builds with tbb=false
// run on a plain pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include "backends/cpu/memory_nodes.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

// Borrows a callable `Value(std::size_t task)` for the duration of a call. The callable must not
// throw.
template <typename Value>
class OfTaskReference {
 public:
  template <typename Callable, typename = std::enable_if_t<
                                   !std::is_same_v<std::remove_cvref_t<Callable>, OfTaskReference>>>
  // NOLINTNEXTLINE(google-explicit-constructor): a lambda is handed over as it is
  OfTaskReference(const Callable& callable) noexcept
      : callable_(&callable), call_([](const void* erased, std::size_t task) noexcept -> Value {
          return (*static_cast<const Callable*>(erased))(task);
        }) {}

  Value operator()(std::size_t task) const noexcept { return call_(callable_, task); }

 private:
  const void* callable_;
  Value (*call_)(const void*, std::size_t) noexcept;
};

using TaskReference = OfTaskReference<void>;
using HomeReference = OfTaskReference<unsigned>;

// What threads of other memory nodes do once their own have no tasks left. They stay out of tasks
// that touch memory first, since the system places it near whoever does.
enum class OtherNodes { help, stay_out };

// Thread-safe: several threads may run their tasks at once and share the workers.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Threads that work on one caller's tasks at most, the caller included.
  [[nodiscard]] virtual unsigned threads() const noexcept = 0;

  // Calls task(0) … task(tasks - 1), each once, in any order on any thread, and returns when all
  // are done. What the tasks wrote is visible to the caller. Tasks do not call this again. Errors:
  // out_of_memory; then some of the tasks may not have run, none is still running.
  [[nodiscard]] virtual Result<void> parallel_for(std::size_t tasks, TaskReference task) = 0;

  // Memory nodes whose tasks it keeps apart; 1 where it does not, or there are no more.
  [[nodiscard]] virtual unsigned nodes() const noexcept { return 1; }
  // parallel_for() of tasks that have a home, the node of the memory they work on: threads of that
  // node take them first. Only they run them where others stay out, unless the node has none.
  // REQUIRES: home(task) is below nodes(), the same whenever it is asked, and at once.
  [[nodiscard]] virtual Result<void> parallel_for_at_home(std::size_t tasks, HomeReference home,
                                                          OtherNodes others, TaskReference task) {
    (void)home;
    (void)others;
    return parallel_for(tasks, task);
  }
};

inline constexpr unsigned max_threads = 1024;

// Threads this process may run on at once, at least one.
[[nodiscard]] unsigned available_threads() noexcept;

// A plain pool of threads - 1 workers; the caller is the last one. `threads` from 1 to max_threads.
// On a machine of several memory nodes each worker belongs to one and stays on its processors, and
// a caller counts for the node it happens to run on. `pinned`: each worker stays on a processor of
// its own, as far as there are that many, and finds its caches again; callers stay where they are.
// Errors: out_of_memory when the system gives no thread.
[[nodiscard]] Result<std::unique_ptr<Executor>> make_pool_executor(unsigned threads,
                                                                   bool pinned = false);
// The same on these nodes.
[[nodiscard]] Result<std::unique_ptr<Executor>> make_pool_executor(unsigned threads, bool pinned,
                                                                   const MemoryNodes& nodes);

// On oneTBB, in an arena of its own; knows nothing of memory nodes. Only in builds with the option
// `tbb`: has_tbb_executor says so, and without it the error is bad_configuration.
[[nodiscard]] bool has_tbb_executor() noexcept;
[[nodiscard]] Result<std::unique_ptr<Executor>> make_tbb_executor(unsigned threads,
                                                                  bool pinned = false);

}  // namespace gyre::cpu
