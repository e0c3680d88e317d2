// The seam between a client and the network: one exchange with one server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace gyre::client {

// What a server sent back, whatever its status. All of it is hostile until checked.
struct TransportResponse {
  int status = 0;
  std::string
      content_type;  // the media type in lower case, parameters cut off; empty if there is none
  std::vector<std::byte> body;
  // What a 201 or 202 says to ask next; printable ASCII of at most max_location_bytes, or empty.
  std::string location{};

  static constexpr std::size_t max_location_bytes = 2048;
};

// Longest body of a response that is no success: a problem document fits many times.
inline constexpr std::size_t max_refusal_bytes = 16 * 1024;

// Exchanges with one server. One thread at a time.
//
// Errors of both exchanges: unreachable (refused, cut off), timed_out, insecure_transport (no
// verified TLS), bad_answer (a body longer than max_body_bytes, or no HTTP), out_of_memory.
// Messages name the server. An exchange sends its request at most once and follows no redirect.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // The server's address as people should see it: "https://host:port". Never changes.
  [[nodiscard]] virtual const std::string& server() const noexcept = 0;

  [[nodiscard]] virtual Result<TransportResponse> get(std::string_view path,
                                                      std::size_t max_body_bytes) = 0;

  // The body is a secret as long as it holds keys: implementations keep no copy of it.
  [[nodiscard]] virtual Result<TransportResponse> post(std::string_view path,
                                                       std::string_view content_type,
                                                       std::span<const std::byte> body,
                                                       std::size_t max_body_bytes) = 0;
};

}  // namespace gyre::client
