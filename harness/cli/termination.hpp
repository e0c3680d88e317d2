// SIGTERM and SIGINT as a request to stop.
#pragma once

#include <stop_token>
#include <thread>

namespace gyre::cli {

// While it lives, the first SIGTERM or SIGINT requests a stop; a second one ends the process at
// once. Make it before any other thread: they inherit that the signals are blocked.
class Termination {
 public:
  Termination();
  ~Termination();
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  [[nodiscard]] std::stop_token token() const noexcept { return stop_.get_token(); }

  // Returns once a stop was requested.
  void wait();

 private:
  std::stop_source stop_;
  int signals_ = -1;  // a signalfd
  int end_ = -1;      // an eventfd: no longer needed
  std::thread thread_;
};

}  // namespace gyre::cli
