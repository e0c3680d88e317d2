#include "harness/client/client_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace gyre::client {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Wait wait_for(int socket, short events, Clock::time_point until,
              const std::stop_token& stop) noexcept {
  // poll(2) knows nothing of stop tokens: it is left now and then to look.
  const std::int64_t longest = stop.stop_possible() ? max_stop_delay.count() : INT_MAX;
  while (true) {
    if (stop.stop_requested()) return Wait::cancelled;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd poll_entry{socket, events, 0};
    const int ready =
        ::poll(&poll_entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, longest)));
    if (ready > 0) return Wait::ready;
    if (ready == 0 && left <= longest) return Wait::timed_out;
    if (ready < 0 && errno != EINTR) return Wait::failed;
  }
}

int connect_to(const std::string& ip, std::uint16_t port, Clock::time_point until, Wait& outcome,
               const std::stop_token& stop) noexcept {
  outcome = Wait::failed;
  sockaddr_in6 ipv6{};
  sockaddr_in ipv4{};
  const bool is_ipv6 = ::inet_pton(AF_INET6, ip.c_str(), &ipv6.sin6_addr) == 1;
  if (!is_ipv6 && ::inet_pton(AF_INET, ip.c_str(), &ipv4.sin_addr) != 1) {
    return -1;
  }
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port);
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(port);
  const int fd =
      ::socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* const address =
      is_ipv6 ? reinterpret_cast<const sockaddr*>(&ipv6) : reinterpret_cast<const sockaddr*>(&ipv4);
  const socklen_t address_bytes = is_ipv6 ? sizeof ipv6 : sizeof ipv4;
  outcome = Wait::ready;
  if (::connect(fd, address, address_bytes) != 0) {
    outcome =
        errno == EINPROGRESS || errno == EINTR ? wait_for(fd, POLLOUT, until, stop) : Wait::failed;
  }
  int socket_error = 0;
  socklen_t error_bytes = sizeof socket_error;
  if (outcome == Wait::ready &&
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &socket_error, &error_bytes) == 0 &&
      socket_error == 0) {
    return fd;
  }
  if (outcome == Wait::ready) outcome = Wait::failed;
  ::close(fd);
  return -1;
}

}  // namespace gyre::client
