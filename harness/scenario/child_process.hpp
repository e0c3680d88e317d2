// Another process, started and ended by this one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace gyre::scenario {

// One owner, one thread at a time. Destroyed while the process runs, it kills it and waits; if this
// process dies first, the kernel kills the child.
class ChildProcess {
 public:
  // Runs `program` with these arguments, standard output and error appended to `log`. It gets this
  // process's environment without GYRE_ variables, which would be options that nobody gave it (but
  // with GYRE_FAULTS and GYRE_FAULT_SEED, which are none), and `variables`, each NAME=value, in
  // place of those of these names. No signal is blocked. Errors: io_failed.
  [[nodiscard]] static Result<ChildProcess> start(const std::filesystem::path& program,
                                                  const std::vector<std::string>& arguments,
                                                  const std::filesystem::path& log,
                                                  std::vector<std::string> variables = {});
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  // The exit code, or 128 plus the signal that ended it; nothing while it runs.
  [[nodiscard]] std::optional<int> poll();

  void signal(int number) noexcept;

  // Waits so long for the end. Errors: timed_out, and the process runs on.
  [[nodiscard]] Result<int> wait(std::chrono::milliseconds limit);

 private:
  explicit ChildProcess(pid_t pid) noexcept : pid_(pid) {}

  pid_t pid_;
  std::optional<int> exit_code_;
};

// The path of the program that runs now.
[[nodiscard]] std::filesystem::path own_program();

}  // namespace gyre::scenario
