#include "harness/server/compactor.hpp"

#include <spdlog/spdlog.h>

#include "core/elapsed.hpp"

namespace gyre::server {

Compactor::Compactor(EpochWriter& writer, std::chrono::milliseconds pause)
    : writer_(writer), pause_(pause), thread_([this](const std::stop_token& stop) { run(stop); }) {}

Compactor::~Compactor() = default;

void Compactor::nudge() noexcept {
  {
    const std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  changed_.notify_all();
}

Compactor::Counts Compactor::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Compactor::wait_for(std::uint64_t compactions) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return counts_.done + counts_.failed >= compactions; });
}

void Compactor::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_.wait_for(lock, stop, pause_, [this] { return nudged_; });
    nudged_ = false;
    if (stop.stop_requested()) return;
    lock.unlock();
    bool folded = false;
    bool failed = false;
    if (writer_.wants_compaction()) {
      const auto start = std::chrono::steady_clock::now();
      const std::uint64_t rows = writer_.overlay_rows();
      // While a rotation holds the lock there will soon be another image anyway.
      auto right = writer_.lock_rotation(std::chrono::milliseconds(0), stop);
      if (right) {
        const auto compacted = writer_.compact(*right);
        failed = !compacted;
        folded = compacted && *compacted;
        if (failed) {
          spdlog::warn("event=compaction_failed code={} rows={}", name(compacted.error().code),
                       rows);
        } else if (folded) {
          spdlog::info("event=compacted rows={} seconds={:.3f}", rows, seconds_since(start));
        }
      }
    }
    lock.lock();
    if (folded) ++counts_.done;
    if (failed) ++counts_.failed;
    changed_.notify_all();
  }
}

}  // namespace gyre::server
