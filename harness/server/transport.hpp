// Bytes to and from one peer, each operation with a deadline: over a plain socket here, over TLS in
// tls_transport.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gyre::server {

using Deadline = std::chrono::steady_clock::time_point;

enum class TransferOutcome : std::uint8_t {
  moved,      // at least one byte
  ended,      // the peer will send nothing more (reading only)
  timed_out,  // the deadline passed; nothing moved
  failed,     // the connection is of no more use
};

struct Transfer {
  TransferOutcome outcome = TransferOutcome::failed;
  std::size_t bytes = 0;  // moved; 0 unless `moved`
};

// One thread at a time. Another thread may shut the socket down, which ends any wait.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // What there is, waiting for the first byte. REQUIRES: a non-empty span.
  [[nodiscard]] virtual Transfer read(std::span<char> into, Deadline deadline) = 0;

  // A first part of the bytes, waiting for room. REQUIRES: a non-empty span.
  [[nodiscard]] virtual Transfer write(std::span<const char> from, Deadline deadline) = 0;

  // Tells the peer that nothing more will be written.
  virtual void end_writing() noexcept = 0;
};

// Waits until poll(2) reports one of the events (or a hang-up) on the socket; false when the
// deadline passed first.
[[nodiscard]] bool wait_for_socket(int socket, short events, Deadline deadline) noexcept;

// Over a non-blocking socket, which the transport does not own.
class SocketTransport final : public Transport {
 public:
  explicit SocketTransport(int socket) noexcept : socket_(socket) {}
  [[nodiscard]] Transfer read(std::span<char> into, Deadline deadline) override;
  [[nodiscard]] Transfer write(std::span<const char> from, Deadline deadline) override;
  void end_writing() noexcept override;

 private:
  int socket_;
};

}  // namespace gyre::server
