#include "harness/server/transport.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gyre::server {

bool wait_for_socket(int socket, short events, Deadline deadline) noexcept {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    // Long waits in pieces: poll counts milliseconds in an int.
    const int wait_ms =
        static_cast<int>(std::min<std::chrono::milliseconds::rep>(left.count(), 60'000));
    pollfd watched{socket, events, 0};
    if (::poll(&watched, 1, wait_ms) > 0) return true;
  }
}

Transfer SocketTransport::read(std::span<char> into, Deadline deadline) {
  for (;;) {
    const ssize_t got = ::recv(socket_, into.data(), into.size(), 0);
    if (got > 0) return {TransferOutcome::moved, static_cast<std::size_t>(got)};
    if (got == 0) return {TransferOutcome::ended, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return {TransferOutcome::failed, 0};
    if (!wait_for_socket(socket_, POLLIN, deadline)) return {TransferOutcome::timed_out, 0};
  }
}

Transfer SocketTransport::write(std::span<const char> from, Deadline deadline) {
  for (;;) {
    const ssize_t put = ::send(socket_, from.data(), from.size(), MSG_NOSIGNAL);
    if (put > 0) return {TransferOutcome::moved, static_cast<std::size_t>(put)};
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return {TransferOutcome::failed, 0};
    if (!wait_for_socket(socket_, POLLOUT, deadline)) return {TransferOutcome::timed_out, 0};
  }
}

void SocketTransport::end_writing() noexcept {
  ::shutdown(socket_, SHUT_WR);
}

}  // namespace gyre::server
