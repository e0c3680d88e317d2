#include "harness/scenario/child_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace gyre::scenario {
namespace {

using namespace std::chrono_literals;

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// Of this process, as the child gets it, and what it gets besides.
std::vector<char*> environment_of_child(std::vector<std::string>& besides) {
  std::vector<char*> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view name = name_of(*entry);
    const bool is_option =
        name.starts_with("GYRE_") && name != "GYRE_FAULTS" && name != "GYRE_FAULT_SEED";
    const bool is_replaced = std::any_of(besides.begin(), besides.end(),
                                         [&](const auto& other) { return name_of(other) == name; });
    if (!is_option && !is_replaced) kept.push_back(*entry);
  }
  for (std::string& variable : besides) kept.push_back(variable.data());
  kept.push_back(nullptr);
  return kept;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments,
                                         const std::filesystem::path& log,
                                         std::vector<std::string> variables) {
  // Everything is allocated before fork: the child may call only what is safe after it.
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const std::vector<char*> environment = environment_of_child(variables);
  sigset_t no_signals;
  sigemptyset(&no_signals);

  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return fail(ErrorCode::io_failed, "the log of a child process cannot be written");
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::pthread_sigmask(SIG_SETMASK, &no_signals, nullptr);
    ::execve(program.c_str(), pointers.data(), environment.data());
    ::_exit(127);
  }
  ::close(output);
  if (child < 0) return fail(ErrorCode::io_failed, "no child process could be started");
  return ChildProcess(child);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(std::exchange(other.exit_code_, 0)) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0 || exit_code_) return;
  signal(SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

std::optional<int> ChildProcess::poll() {
  if (exit_code_ || pid_ < 0) return exit_code_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return exit_code_;
}

void ChildProcess::signal(int number) noexcept {
  if (pid_ > 0 && !exit_code_) ::kill(pid_, number);
}

Result<int> ChildProcess::wait(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!poll()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::timed_out, "a child process did not end in time");
    }
    std::this_thread::sleep_for(5ms);
  }
  return *exit_code_;
}

std::filesystem::path own_program() {
  std::error_code failed;
  auto path = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path("gyre") : path;
}

}  // namespace gyre::scenario
