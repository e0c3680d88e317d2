#include "tests/faults/last_words.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

#include "tests/support/sanitized.hpp"

#if defined(GYRE_SANITIZED)
#include <sanitizer/common_interface_defs.h>
#endif

namespace gyre::faults {
namespace {

// Written while nothing is said, and read in a signal's handler, where little is allowed.
std::array<char, 1024> kept;
std::atomic<std::size_t> length = 0;

void say() {
  static_cast<void>(!::write(STDERR_FILENO, kept.data(), length));
}

extern "C" void say_and_end(int signal) {
  say();
  // By the signal itself, so that whoever waits sees it.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void listen() {
  std::signal(SIGTERM, &say_and_end);
#if defined(GYRE_SANITIZED)
  // It takes the signals of a crash for itself.
  __sanitizer_set_death_callback(&say);
#else
  for (const int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) {
    std::signal(signal, &say_and_end);
  }
#endif
}

}  // namespace

void set_last_words(std::string_view words) {
  [[maybe_unused]] static const bool listening = (listen(), true);
  length = 0;
  const std::size_t some = std::min(words.size(), kept.size());
  std::copy_n(words.begin(), some, kept.begin());
  length = some;
}

}  // namespace gyre::faults
