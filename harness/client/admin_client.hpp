// Requests to the admin listener of one server.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/client/http_transport.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::client {

// What the server answered to a request that it did not refuse.
struct AdminReply {
  int status = 0;            // 200 to 299
  std::string content_type;  // the media type in lower case, parameters cut off
  std::string location;      // printable ASCII; empty if there is none
  std::string body;
};

// "Prefer", "respond-async" and the like.
using AdminHeaders = std::vector<std::pair<std::string, std::string>>;

struct AdminBody {
  std::string_view content_type;  // empty: no body
  std::span<const std::byte> bytes;
};

// One server over one connection, which is opened when it is needed and kept. One thread at a time;
// several clients may run at the same time.
class AdminClient {
 public:
  // Documents of rotations and epochs fit many times.
  static constexpr std::size_t max_reply_bytes = std::size_t{1} << 20U;

  // The token (see read_admin_token) goes into the Authorization header of every request and
  // nowhere else. Errors: insecure_transport (http off loopback), bad_configuration, internal.
  [[nodiscard]] static Result<AdminClient> create(ResolvedServer server,
                                                  const HttpTransportOptions& options,
                                                  std::string token);
  AdminClient(AdminClient&&) noexcept;
  AdminClient& operator=(AdminClient&&) noexcept;
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;
  ~AdminClient();

  // "https://host:port", for people.
  [[nodiscard]] const std::string& server() const noexcept;

  // Sends one request, once, and waits for its answer for at most `deadline`, connecting included.
  //
  // Errors: an error of the server's comes with its own code if this build knows it, else as
  // server_refused, and with its sentence after the server's address; unreachable, timed_out,
  // insecure_transport, bad_answer (no HTTP, too long, a status that is not Gyre's),
  // bad_configuration (a path or header that cannot be sent), out_of_memory. After unreachable or
  // timed_out nobody knows whether the server did what it was asked.
  [[nodiscard]] Result<AdminReply> request(std::string_view method, std::string_view path,
                                           const AdminHeaders& headers, const AdminBody& body,
                                           std::chrono::milliseconds deadline);

 private:
  AdminClient(std::unique_ptr<HttpTransport> transport, std::string authorization) noexcept;

  std::unique_ptr<HttpTransport> transport_;
  std::string authorization_;
};

// Whether the same request may well succeed if it is sent again a little later: the server was not
// reached, did not answer in time, or answered that it is busy (HTTP status 503 or 429).
[[nodiscard]] bool is_worth_retrying(const Error& error) noexcept;

}  // namespace gyre::client
