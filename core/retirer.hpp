// A thread that destroys what nobody uses any more, so that no query pays for freeing gigabytes.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>

namespace gyre {

// Something that can wait, in a list that needs no allocation, to be destroyed.
class Retired {
 public:
  Retired() = default;
  Retired(const Retired&) = delete;
  Retired& operator=(const Retired&) = delete;
  virtual ~Retired() = default;

 private:
  friend class Retirer;
  Retired* next_ = nullptr;
};

// Thread-safe. The destructor destroys what still waits, then ends the thread.
class Retirer {
 public:
  Retirer();
  ~Retirer();
  Retirer(const Retirer&) = delete;
  Retirer& operator=(const Retirer&) = delete;

  // Takes ownership; returns at once, allocates nothing, cannot fail.
  void retire(Retired* garbage) noexcept;

  // Waits until everything retired before the call is destroyed. For tests and shutdown.
  void drain();

 private:
  void run() noexcept;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  Retired* waiting_ = nullptr;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gyre
