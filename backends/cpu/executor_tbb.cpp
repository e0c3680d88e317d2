#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>

#include <exception>
#include <optional>

#include "backends/cpu/executor.hpp"

namespace gyre::cpu {
namespace {

class TbbExecutor final : public Executor {
 public:
  explicit TbbExecutor(unsigned threads) : threads_(threads), arena_(static_cast<int>(threads)) {
    // An arena alone never gets more workers than the machine has cores.
    if (threads > static_cast<unsigned>(tbb::info::default_concurrency())) {
      parallelism_.emplace(tbb::global_control::max_allowed_parallelism, threads);
    }
    arena_.initialize();
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
};

}  // namespace

bool has_tbb_executor() noexcept {
  return true;
}

Result<std::unique_ptr<Executor>> make_tbb_executor(unsigned threads) {
  try {
    return std::make_unique<TbbExecutor>(threads);
  } catch (const std::exception&) {
    return fail(ErrorCode::out_of_memory, "the system gives no more threads; use fewer");
  }
}

}  // namespace gyre::cpu
