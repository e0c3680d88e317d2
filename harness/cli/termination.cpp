#include "harness/cli/termination.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace gyre::cli {

Termination::Termination() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
  end_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this, signals] {
    std::array<pollfd, 2> watched = {pollfd{end_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
    while (::poll(watched.data(), watched.size(), -1) < 0) {
    }
    if (watched[0].revents != 0) return;
    signalfd_siginfo first;
    if (::read(signals_, &first, sizeof(first)) > 0) stop_.request_stop();
    // From here on this thread takes them as a process usually does: it ends.
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    while (::poll(watched.data(), 1, -1) < 0) {
    }
  });
}

Termination::~Termination() {
  const std::uint64_t one = 1;
  while (::write(end_, &one, sizeof(one)) < 0) {
  }
  thread_.join();
  ::close(signals_);
  ::close(end_);
}

void Termination::wait() {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop_.get_token(), [] { return false; });
}

}  // namespace gyre::cli
