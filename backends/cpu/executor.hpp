// How the CPU backend spreads work over threads. A seam, because Debian's oneTBB is not
// instrumented for the thread sanitizer and would drown it in false reports: builds with tbb=false
// run on a plain pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include "core/error.hpp"

namespace gyre::cpu {

// Borrows a callable `void(std::size_t task)` for the duration of a call. The callable must not
// throw.
class TaskReference {
 public:
  template <typename Callable, typename = std::enable_if_t<
                                   !std::is_same_v<std::remove_cvref_t<Callable>, TaskReference>>>
  // NOLINTNEXTLINE(google-explicit-constructor): a lambda is handed over as it is
  TaskReference(const Callable& callable) noexcept
      : callable_(&callable), call_([](const void* erased, std::size_t task) noexcept {
          (*static_cast<const Callable*>(erased))(task);
        }) {}

  void operator()(std::size_t task) const noexcept { call_(callable_, task); }

 private:
  const void* callable_;
  void (*call_)(const void*, std::size_t) noexcept;
};

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
};

inline constexpr unsigned max_threads = 1024;

// Threads this process may run on at once, at least one.
[[nodiscard]] unsigned available_threads() noexcept;

// A plain pool of threads - 1 workers; the caller is the last one. `threads` from 1 to max_threads.
// `pinned`: each worker stays on a processor of its own, as far as there are that many, and finds
// its caches again; callers stay where they are. Which task goes to which worker is not fixed, so
// on a machine of several memory nodes what one touched first another may scan. Errors:
// out_of_memory when the system gives no thread.
[[nodiscard]] Result<std::unique_ptr<Executor>> make_pool_executor(unsigned threads,
                                                                   bool pinned = false);

// On oneTBB, in an arena of its own. Only in builds with the option `tbb`: has_tbb_executor says
// so, and without it the error is bad_configuration.
[[nodiscard]] bool has_tbb_executor() noexcept;
[[nodiscard]] Result<std::unique_ptr<Executor>> make_tbb_executor(unsigned threads,
                                                                  bool pinned = false);

}  // namespace gyre::cpu
