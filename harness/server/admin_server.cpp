#include "harness/server/admin_server.hpp"

#include <exception>
#include <utility>

namespace gyre::server {
namespace {

tl::unexpected<Error> unusable(std::string message) {
  return fail(ErrorCode::bad_configuration, std::move(message));
}

}  // namespace

Result<void> AdminConfiguration::check() const {
  if (!token.empty() && token.size() < min_token_bytes) {
    return unusable("the admin token must have at least 16 characters, better 32 at random");
  }
  if (tls_certificate_file.empty() != tls_key_file.empty()) {
    return unusable("TLS of the admin listener needs both a certificate file and a key file");
  }
  if (!client_authorities_file.empty() && tls_certificate_file.empty()) {
    return unusable("client certificates of the admin listener need TLS");
  }
  if (!client_subjects.empty() && client_authorities_file.empty()) {
    return unusable("subjects of client certificates need the authorities that issue them");
  }
  return {};
}

AdminServer::AdminServer(const AdminConfiguration& configuration, AdminResources& resources,
                         MetricsText metrics, std::optional<TlsContext> tls)
    : access_(configuration.token, configuration.client_subjects),
      tls_(std::move(tls)),
      listener_(resources, std::move(metrics), access_, configuration.http,
                tls_ ? &*tls_ : nullptr) {}

Result<std::unique_ptr<AdminServer>> AdminServer::start(const AdminConfiguration& configuration,
                                                        AdminResources& resources,
                                                        MetricsText metrics) try {
  if (auto checked = configuration.check(); !checked) return forward_error(checked);
  std::optional<TlsContext> tls;
  if (!configuration.tls_certificate_file.empty()) {
    auto loaded = TlsContext::load(configuration.tls_certificate_file, configuration.tls_key_file,
                                   configuration.client_authorities_file);
    if (!loaded) return forward_error(loaded);
    tls = std::move(*loaded);
  }
  auto socket = ListeningSocket::open(configuration.listen);
  if (!socket) return forward_error(socket);
  if (!socket->loopback && !tls) {
    return unusable(
        "an admin listener off loopback needs --admin-tls-cert and --admin-tls-key: whoever reads "
        "the token is an admin");
  }
  std::unique_ptr<AdminServer> server(
      new AdminServer(configuration, resources, std::move(metrics), std::move(tls)));
  server->url_ = (server->tls_ ? "https://" : "http://") + socket->bound.text();
  if (auto started = server->listener_.start(std::move(*socket)); !started) {
    return forward_error(started);
  }
  return server;
} catch (const std::exception&) {
  return fail(ErrorCode::out_of_memory,
              "there is not enough memory, or no thread, for an admin listener");
}

}  // namespace gyre::server
