// The admin side of a server, put together: who may, where it listens, and over what.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "harness/server/admin_access.hpp"
#include "harness/server/admin_listener.hpp"
#include "harness/server/admin_resources.hpp"
#include "harness/server/http_listener.hpp"
#include "harness/server/listening_socket.hpp"
#include "harness/server/tls_transport.hpp"

namespace gyre::server {

struct AdminConfiguration {
  ListenAddress listen{"127.0.0.1", 8081};
  std::string token;                         // empty: nobody is an admin
  std::string tls_certificate_file;          // PEM chain; empty: no TLS
  std::string tls_key_file;                  // PEM
  std::string client_authorities_file;       // PEM; empty: no client certificates
  std::vector<std::string> client_subjects;  // RFC 2253; empty: any that an authority issued
  HttpLimits http{.max_connections = 32};

  static constexpr std::size_t min_token_bytes = 16;

  // Errors: bad_configuration.
  [[nodiscard]] Result<void> check() const;
};

// start() and drain() are for one thread.
class AdminServer {
 public:
  // Off loopback it listens with TLS only: its token must not be seen. `resources` and what
  // `metrics` refers to must outlive it.
  // Errors: bad_configuration, internal, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(
      const AdminConfiguration& configuration, AdminResources& resources, MetricsText metrics);

  // "http://127.0.0.1:8081", with the port that the system chose.
  [[nodiscard]] const std::string& url() const noexcept { return url_; }

  // See AdminListener::drain().
  bool drain(Deadline deadline) { return listener_.drain(deadline); }

 private:
  AdminServer(const AdminConfiguration& configuration, AdminResources& resources,
              MetricsText metrics, std::optional<TlsContext> tls);

  AdminAccess access_;
  std::optional<TlsContext> tls_;
  std::string url_;
  AdminListener listener_;
};

}  // namespace gyre::server
