// Exchanges over HTTP/1.1, in the clear on loopback and over verified TLS everywhere else.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/client/server_address.hpp"
#include "harness/client/transport.hpp"

namespace gyre::client {

struct HttpTransportOptions {
  std::chrono::milliseconds connect_timeout{5'000};  // one IP address: TCP, and the TLS handshake
  std::chrono::milliseconds idle_timeout{10'000};    // between two bytes, reading or writing
  std::chrono::milliseconds total_timeout{30'000};   // one exchange, connecting included
  std::string ca_file;  // PEM certificates to trust instead of the system's; empty: the system's
  // PEM files with what this client shows a server that asks for a certificate; both or neither.
  std::string client_certificate_file;  // the certificate, then those up to its authority
  std::string client_key_file;
};

// One request as it goes out; whatever it refers to must outlive the exchange.
struct HttpExchange {
  std::string_view method;  // upper case
  std::string_view path;
  // Added to those that the transport writes. Secrets among them are wiped after use, and no
  // message ever shows one. Names are tokens of HTTP, values printable ASCII.
  std::span<const std::pair<std::string, std::string>> headers;
  std::string_view content_type;  // empty: no body
  std::span<const std::byte> body;
  std::size_t max_body_bytes = 0;  // of the response
  // In the place of idle_timeout and total_timeout, for an answer that takes its time.
  std::optional<std::chrono::milliseconds> patience;
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
  // bad_configuration (a CA file that holds no certificate, a certificate of the client's without
  // its key, or a time-out that is not positive), internal.
  [[nodiscard]] static Result<std::unique_ptr<HttpTransport>> create(
      ResolvedServer server, const HttpTransportOptions& options);
  ~HttpTransport() override;

  // Any method, with headers of one's own. Errors: those of Transport, and bad_configuration (a
  // method, path or header that cannot be sent as HTTP).
  [[nodiscard]] Result<TransportResponse> exchange(const HttpExchange& exchange);

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
