#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <exception>
#include <optional>

#include "backends/cpu/executor.hpp"
#include "backends/cpu/thread_pinning.hpp"

namespace gyre::cpu {
namespace {

// Keeps an arena's workers each on a processor while they are in it; they serve other arenas too.
// Whoever calls is left where it is.
class PinnedWorkers final : public tbb::task_scheduler_observer {
 public:
  explicit PinnedWorkers(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) {
    observe(true);
  }
  ~PinnedWorkers() override { observe(false); }
  PinnedWorkers(const PinnedWorkers&) = delete;
  PinnedWorkers& operator=(const PinnedWorkers&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    if (!is_worker) return;
    processors_.pin_this_thread(
        static_cast<unsigned>(tbb::this_task_arena::current_thread_index()));
  }
  void on_scheduler_exit(bool is_worker) override {
    if (is_worker) processors_.admit_this_thread();
  }

 private:
  const Processors processors_;
};

class TbbExecutor final : public Executor {
 public:
  TbbExecutor(unsigned threads, bool pinned)
      : threads_(threads), arena_(static_cast<int>(threads)) {
    // An arena alone never gets more workers than the machine has cores.
    if (threads > static_cast<unsigned>(tbb::info::default_concurrency())) {
      parallelism_.emplace(tbb::global_control::max_allowed_parallelism, threads);
    }
    arena_.initialize();
    if (pinned) pinned_workers_.emplace(arena_);
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "tbb"; }
  [[nodiscard]] unsigned threads() const noexcept override { return threads_; }

  [[nodiscard]] Result<void> parallel_for(std::size_t tasks, TaskReference task) override {
    try {
      arena_.execute([&] {
        // Tasks are big (a megabyte and more), so each is worth being stolen alone.
        tbb::parallel_for(
            std::size_t{0}, tasks, [&](std::size_t i) { task(i); }, tbb::simple_partitioner{});
      });
      return {};
    } catch (const std::exception&) {
      return fail(ErrorCode::out_of_memory, "the task scheduler has no memory for more tasks");
    }
  }

 private:
  const unsigned threads_;
  std::optional<tbb::global_control> parallelism_;
  tbb::task_arena arena_;
  std::optional<PinnedWorkers> pinned_workers_;  // ends before the arena
};

}  // namespace

bool has_tbb_executor() noexcept {
  return true;
}

Result<std::unique_ptr<Executor>> make_tbb_executor(unsigned threads, bool pinned) {
  try {
    return std::make_unique<TbbExecutor>(threads, pinned);
  } catch (const std::exception&) {
    return fail(ErrorCode::out_of_memory, "the system gives no more threads; use fewer");
  }
}

}  // namespace gyre::cpu
