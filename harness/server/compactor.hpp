// A thread that folds the overlay into new images when it has become long.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>

#include "core/epoch_writer.hpp"
#include "core/error.hpp"

namespace gyre::server {

// Thread-safe. The destructor ends the thread once a compaction under way is over.
class Compactor {
 public:
  // `writer` must outlive the compactor, which looks every `pause` and whenever it is nudged.
  // Throws std::system_error.
  explicit Compactor(EpochWriter& writer,
                     std::chrono::milliseconds pause = std::chrono::milliseconds(1'000));
  ~Compactor();
  Compactor(const Compactor&) = delete;
  Compactor& operator=(const Compactor&) = delete;

  // The overlay has grown. Returns at once.
  void nudge() noexcept;

  // How many times something was folded, and how many times that failed.
  struct Counts {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
  };
  [[nodiscard]] Counts counts() const;
  // Returns once that many were done or failed, together. For tests.
  void wait_for(std::uint64_t compactions) const;

 private:
  void run(const std::stop_token& stop);

  EpochWriter& writer_;
  const std::chrono::milliseconds pause_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  bool nudged_ = false;
  Counts counts_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace gyre::server
