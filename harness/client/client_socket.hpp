// Non-blocking TCP sockets: connecting one and waiting for it, by a deadline.
//
// Thread-safety: free functions that keep no state.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gyre::client {

enum class Wait { ready, timed_out, failed };

// Waits until poll(2) reports one of the events, or a hang-up, on the socket.
[[nodiscard]] Wait wait_for(int socket, short events,
                            std::chrono::steady_clock::time_point until) noexcept;

// A non-blocking socket with TCP_NODELAY, connected to the address (as of inet_ntop), which the
// caller closes; or -1, and `outcome` says why.
[[nodiscard]] int connect_to(const std::string& ip, std::uint16_t port,
                             std::chrono::steady_clock::time_point until, Wait& outcome) noexcept;

}  // namespace gyre::client
