// A peer that sends whatever bytes a test wants, and reads what comes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "harness/server/listening_socket.hpp"

namespace gyre::server {

struct RawResponse {
  int status = 0;
  std::string reason;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const;
  // The member `code` of a problem document; empty if the body is none.
  [[nodiscard]] std::string code() const;
};

// Over a blocking socket on loopback. A server that keeps a test waiting for half a minute fails
// it: std::runtime_error.
class RawConnection {
 public:
  // `receive_buffer_bytes`: of the system, where a test wants it small.
  explicit RawConnection(std::uint16_t port, int receive_buffer_bytes = 0);

  // Whether all of it could be sent; the server may have closed the connection.
  bool send(std::string_view bytes);

  // The next response; nothing if the connection ends before it is whole. `to_head`: it has no
  // body.
  [[nodiscard]] std::optional<RawResponse> receive(bool to_head = false);

  // What comes next, up to `end`; nothing if the connection ends before it does.
  [[nodiscard]] std::optional<std::string> receive_until(std::string_view end);

  // Reads on until the server closes the connection.
  void wait_for_end();

  [[nodiscard]] int socket() const noexcept { return socket_.get(); }

 private:
  // False at the end of the connection.
  bool fill();

  FileDescriptor socket_;
  std::string buffer_;
};

// One request on a connection of its own.
[[nodiscard]] std::optional<RawResponse> ask(std::uint16_t port, std::string_view request);

[[nodiscard]] std::string get_request(std::string_view path, std::string_view headers = "");
[[nodiscard]] std::string post_request(std::string_view path, std::string_view content_type,
                                       std::string_view body, std::string_view headers = "");

}  // namespace gyre::server
