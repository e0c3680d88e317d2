// Exchanges over HTTP/1.1, in the clear on loopback and over verified TLS everywhere else.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "harness/client/server_address.hpp"
#include "harness/client/transport.hpp"

namespace gyre::client {

struct HttpTransportOptions {
  std::chrono::milliseconds connect_timeout{5'000};  // one IP address: TCP, and the TLS handshake
  std::chrono::milliseconds idle_timeout{10'000};    // between two bytes, reading or writing
  std::chrono::milliseconds total_timeout{30'000};   // one exchange, connecting included
  std::string ca_file;  // PEM certificates to trust instead of the system's; empty: the system's
};

// One server over one connection that is kept open between exchanges.
//
// cpp-httplib speaks HTTP; the connection under it is ours, because the library's own has no
// deadline for a whole exchange and no bound on a response's head. TLS is 1.2 or later, the
// certificate chain and the host name (or IP address) are verified, and there is no way to turn
// that off.
class HttpTransport final : public Transport {
 public:
  // Connects at the first exchange. Errors: insecure_transport (http off loopback),
  // bad_configuration (a CA file that holds no certificate, or a time-out that is not positive),
  // internal.
  [[nodiscard]] static Result<std::unique_ptr<HttpTransport>> create(
      ResolvedServer server, const HttpTransportOptions& options);
  ~HttpTransport() override;

  [[nodiscard]] const std::string& server() const noexcept override;
  [[nodiscard]] Result<TransportResponse> get(std::string_view path,
                                              std::size_t max_body_bytes) override;
  [[nodiscard]] Result<TransportResponse> post(std::string_view path, std::string_view content_type,
                                               std::span<const std::byte> body,
                                               std::size_t max_body_bytes) override;

 private:
  class Connection;
  explicit HttpTransport(std::unique_ptr<Connection> connection) noexcept;

  std::unique_ptr<Connection> connection_;
};

}  // namespace gyre::client
