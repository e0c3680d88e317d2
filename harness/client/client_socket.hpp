// Non-blocking TCP sockets: connecting one and waiting for it, by a deadline.
//
// Thread-safety: free functions that keep no state.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

namespace gyre::client {

enum class Wait { ready, timed_out, failed, cancelled };

// Waits until poll(2) reports one of the events, or a hang-up, on the socket. A requested stop ends
// the wait within max_stop_delay.
[[nodiscard]] Wait wait_for(int socket, short events, std::chrono::steady_clock::time_point until,
                            const std::stop_token& stop = {}) noexcept;

inline constexpr std::chrono::milliseconds max_stop_delay{50};

// A non-blocking socket with TCP_NODELAY, connected to the address (as of inet_ntop), which the
// caller closes; or -1, and `outcome` says why.
[[nodiscard]] int connect_to(const std::string& ip, std::uint16_t port,
                             std::chrono::steady_clock::time_point until, Wait& outcome,
                             const std::stop_token& stop = {}) noexcept;

}  // namespace gyre::client
