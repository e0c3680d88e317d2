// Progress for people: one line that is redrawn on a terminal, a line every few seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gyre::report {

// Draws on standard error. One thread at a time. Ends its line when destroyed.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `done` of `total` (0: unknown), and something more to say. Cheap enough to call often: draws at
  // most some times a second.
  void update(std::uint64_t done, std::uint64_t total, std::string note = {});

 private:
  void draw(std::uint64_t done, std::uint64_t total);

  const std::string label_;
  const bool terminal_;
  bool drawn_ = false;
  std::uint64_t last_done_ = 0;
  std::uint64_t last_total_ = 0;
  std::string note_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace gyre::report
