// Threads that serve connections, one each.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gyre::server {

// Thread-safe. Threads are started when they are first needed, up to a bound, and stay.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t max_threads);
  ~WorkerPool();  // runs what still waits, then ends the threads
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  using Task = std::function<void()>;

  // Whether a task given now would begin at once.
  [[nodiscard]] bool has_room();

  // Runs the task as soon as a thread is free. Errors: std::bad_alloc.
  void run(Task task);

 private:
  void work();

  const std::size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> waiting_;
  std::size_t free_threads_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gyre::server
