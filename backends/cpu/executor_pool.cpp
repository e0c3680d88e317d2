#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "backends/cpu/executor.hpp"
#include "backends/cpu/thread_pinning.hpp"

namespace gyre::cpu {
namespace {

// One caller's tasks. Lives on the caller's stack, in the pool's list while it has tasks nobody
// took.
struct Job {
  // The next task of that node that nobody took; `tasks` if there is none. Each home's tasks are
  // looked for on their own, from where the last one was.
  [[nodiscard]] std::size_t next_at(unsigned node) noexcept {
    std::size_t& at = next[node];
    if (home) {
      while (at < tasks && (*home)(at) != node) ++at;
    } else if (node != 0) {
      at = tasks;
    }
    return at;
  }

  TaskReference task;
  std::optional<HomeReference> home;  // none: all tasks are at node 0
  OtherNodes others;
  std::size_t tasks;
  std::size_t untaken;     // of all homes
  std::size_t unfinished;  // tasks not yet done
  std::array<std::size_t, MemoryNodes::max_count> next = {};
};

class PoolExecutor final : public Executor {
 public:
  PoolExecutor(unsigned threads, bool pinned, const MemoryNodes& nodes)
      : threads_(threads), nodes_(nodes) {
    const std::vector<Place> places = places_of_workers();
    for (const Place& place : places) ++workers_at_[place.node];
    workers_.reserve(places.size());
    try {
      for (const Place& place : places) {
        workers_.emplace_back([this, pinned, place] {
          const Processors& processors = nodes_.processors(place.node);
          if (pinned) {
            processors.pin_this_thread(place.number);
          } else if (nodes_.count() > 1) {
            processors.admit_this_thread();
          }
          work(place.node);
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
  [[nodiscard]] unsigned nodes() const noexcept override { return nodes_.count(); }

  [[nodiscard]] Result<void> parallel_for(std::size_t tasks, TaskReference task) override {
    return run(task, std::nullopt, OtherNodes::help, tasks);
  }

  [[nodiscard]] Result<void> parallel_for_at_home(std::size_t tasks, HomeReference home,
                                                  OtherNodes others, TaskReference task) override {
    if (nodes_.count() == 1) return parallel_for(tasks, task);
    return run(task, home, others, tasks);
  }

 private:
  // Where a worker belongs: a node, and which of its processors it would be pinned to.
  struct Place {
    unsigned node;
    unsigned number;
  };
  struct Taken {
    Job* job;
    std::size_t task;
  };

  // Spread over all processors, node by node; the first place is left to callers.
  [[nodiscard]] std::vector<Place> places_of_workers() const {
    std::vector<Place> processors;
    for (unsigned node = 0; node < nodes_.count(); ++node) {
      for (unsigned i = 0; i < nodes_.processors(node).count(); ++i)
        processors.push_back({node, i});
    }
    std::vector<Place> places;
    for (std::size_t i = 1; i < threads_; ++i) {
      const bool spread = nodes_.count() > 1;
      places.push_back(spread ? processors[i * processors.size() / threads_]
                              : processors[i % processors.size()]);
    }
    return places;
  }

  [[nodiscard]] Result<void> run(TaskReference task, std::optional<HomeReference> home,
                                 OtherNodes others, std::size_t tasks) {
    if (tasks == 0) return {};
    Job job{.task = task,
            .home = home,
            .others = others,
            .tasks = tasks,
            .untaken = tasks,
            .unfinished = tasks};
    const unsigned node = nodes_.of_this_thread();
    Job* const own = &job;
    std::unique_lock lock(mutex_);
    try {
      jobs_.push_back(own);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::out_of_memory, "the thread pool has no memory for more tasks");
    }
    work_.notify_all();
    while (const auto taken = take({&own, 1}, node)) run_one(*taken, lock);
    finished_.wait(lock, [&job] { return job.unfinished == 0; });
    return {};
  }

  // A task for a thread of that node: of its own node's if any of the jobs has one, else of one
  // that may be helped. REQUIRES: the lock held.
  [[nodiscard]] std::optional<Taken> take(std::span<Job* const> jobs, unsigned node) noexcept {
    for (unsigned distance = 0; distance < nodes_.count(); ++distance) {
      const unsigned home = (node + distance) % nodes_.count();
      for (Job* const job : jobs) {
        if (distance > 0 && job->others == OtherNodes::stay_out && workers_at_[home] > 0) continue;
        const std::size_t next = job->next_at(home);
        if (next == job->tasks) continue;
        const Taken taken{job, next};
        ++job->next[home];
        if (--job->untaken == 0) std::erase(jobs_, job);
        return taken;
      }
    }
    return std::nullopt;
  }

  // REQUIRES: the lock held; holds it again afterwards.
  void run_one(const Taken& taken, std::unique_lock<std::mutex>& lock) noexcept {
    lock.unlock();
    taken.job->task(taken.task);
    lock.lock();
    if (--taken.job->unfinished == 0) finished_.notify_all();
  }

  void work(unsigned node) noexcept {
    std::unique_lock lock(mutex_);
    while (true) {
      std::optional<Taken> taken;
      work_.wait(lock, [&] { return stopping_ || (taken = take(jobs_, node)).has_value(); });
      if (!taken) return;
      run_one(*taken, lock);
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
  const MemoryNodes nodes_;
  std::array<unsigned, MemoryNodes::max_count> workers_at_ = {};
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
    return make_pool_executor(threads, pinned, MemoryNodes::of_this_process());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the list of the machine's processors");
  }
}

Result<std::unique_ptr<Executor>> make_pool_executor(unsigned threads, bool pinned,
                                                     const MemoryNodes& nodes) {
  try {
    return std::make_unique<PoolExecutor>(threads, pinned, nodes);
  } catch (const std::exception&) {
    return fail(ErrorCode::out_of_memory, "the system gives no more threads; use fewer");
  }
}

}  // namespace gyre::cpu
