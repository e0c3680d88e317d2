#include "harness/server/worker_pool.hpp"

#include <system_error>

namespace gyre::server {

WorkerPool::WorkerPool(std::size_t max_threads) : max_threads_(max_threads) {
  threads_.reserve(max_threads);
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::has_room() {
  const std::lock_guard lock(mutex_);
  if (free_threads_ > waiting_.size()) return true;
  if (threads_.size() == max_threads_) return false;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    return false;  // the system has no thread left: that is our bound, then
  }
  ++free_threads_;
  return true;
}

void WorkerPool::run(Task task) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
  }
  ready_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    --free_threads_;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    ++free_threads_;
  }
}

}  // namespace gyre::server
