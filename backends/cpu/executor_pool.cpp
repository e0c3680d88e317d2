#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "backends/cpu/executor.hpp"
#include "backends/cpu/thread_pinning.hpp"

namespace gyre::cpu {
namespace {

// One caller's tasks. Lives on the caller's stack, in the pool's list while it has tasks nobody
// took.
struct Job {
  TaskReference task;
  std::size_t tasks;
  std::size_t next = 0;        // the first task nobody took
  std::size_t unfinished = 0;  // tasks not yet done
};

class PoolExecutor final : public Executor {
 public:
  PoolExecutor(unsigned threads, bool pinned) : threads_(threads) {
    workers_.reserve(threads - 1);
    try {
      for (unsigned i = 1; i < threads; ++i) {
        workers_.emplace_back([this, pinned, i] {
          if (pinned) processors_.pin_this_thread(i);
          work();
        });
      }
    } catch (...) {
      stop();
      throw;
    }
  }
  ~PoolExecutor() override { stop(); }

  [[nodiscard]] std::string_view name() const noexcept override { return "pool"; }
  [[nodiscard]] unsigned threads() const noexcept override { return threads_; }

  [[nodiscard]] Result<void> parallel_for(std::size_t tasks, TaskReference task) override {
    if (tasks == 0) return {};
    Job job{.task = task, .tasks = tasks, .next = 0, .unfinished = tasks};
    std::unique_lock lock(mutex_);
    try {
      jobs_.push_back(&job);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::out_of_memory, "the thread pool has no memory for more tasks");
    }
    work_.notify_all();
    while (job.next < job.tasks) run_one(job, lock);
    finished_.wait(lock, [&job] { return job.unfinished == 0; });
    return {};
  }

 private:
  // REQUIRES: the lock held and a task left; holds the lock again afterwards.
  void run_one(Job& job, std::unique_lock<std::mutex>& lock) noexcept {
    const std::size_t task = job.next++;
    if (job.next == job.tasks) std::erase(jobs_, &job);
    lock.unlock();
    job.task(task);
    lock.lock();
    if (--job.unfinished == 0) finished_.notify_all();
  }

  void work() noexcept {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      run_one(*jobs_.front(), lock);
    }
  }

  void stop() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  const unsigned threads_;
  const Processors processors_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable finished_;
  std::vector<Job*> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace

unsigned available_threads() noexcept {
  return std::min(Processors().count(), max_threads);
}

Result<std::unique_ptr<Executor>> make_pool_executor(unsigned threads, bool pinned) {
  try {
    return std::make_unique<PoolExecutor>(threads, pinned);
  } catch (const std::exception&) {
    return fail(ErrorCode::out_of_memory, "the system gives no more threads; use fewer");
  }
}

}  // namespace gyre::cpu
