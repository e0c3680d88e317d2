#include "core/retirer.hpp"

namespace gyre {

Retirer::Retirer() : thread_([this] { run(); }) {}

Retirer::~Retirer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void Retirer::retire(Retired* garbage) noexcept {
  // Told under the lock: as soon as it is free, whoever drains may destroy this retirer.
  const std::lock_guard lock(mutex_);
  garbage->next_ = waiting_;
  waiting_ = garbage;
  work_.notify_one();
}

void Retirer::drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return waiting_ == nullptr && !busy_; });
}

void Retirer::run() noexcept {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return waiting_ != nullptr || stop_; });
    if (waiting_ == nullptr) return;
    Retired* garbage = waiting_;
    waiting_ = nullptr;
    busy_ = true;
    lock.unlock();
    while (garbage != nullptr) {
      Retired* const next = garbage->next_;
      delete garbage;
      garbage = next;
    }
    lock.lock();
    busy_ = false;
    idle_.notify_all();
  }
}

}  // namespace gyre
