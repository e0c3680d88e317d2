// A socket that accepts connections.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace gyre::server {

// Owns a file descriptor. One thread at a time.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) noexcept : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~FileDescriptor();

  [[nodiscard]] int get() const noexcept { return value_; }
  void close() noexcept;

 private:
  int value_ = -1;
};

// Where a server listens: an address or name, and a port; 0 lets the system choose one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;

  // "127.0.0.1:8080", "[::1]:8080", "localhost:8080". Errors: bad_configuration.
  [[nodiscard]] static Result<ListenAddress> parse(const std::string& text);
  [[nodiscard]] std::string text() const;
};

// Bound and listening, non-blocking. `bound` is the address it got, and whether that is loopback.
struct ListeningSocket {
  // Connections the system keeps for us while we are busy; the kernel lowers it to its own limit.
  static constexpr int backlog = 1024;

  FileDescriptor descriptor;
  ListenAddress bound;
  bool loopback = false;

  // Errors: bad_configuration (the address cannot be resolved or is in use), internal.
  [[nodiscard]] static Result<ListeningSocket> open(const ListenAddress& address);
};

}  // namespace gyre::server
