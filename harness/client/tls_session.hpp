// Verified TLS, from the trusted certificates to the end of a session. Version 1.2 or later; chain
// and name are verified, and there is no way to turn that off.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "harness/client/http_trouble.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::client {

struct SslContextFree {
  void operator()(SSL_CTX* context) const noexcept { ::SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;

// Trusts the PEM certificates in `ca_file`, or the system's if that is empty, for this server's
// name or IP address only. Errors: bad_configuration (no certificate in the file), internal.
[[nodiscard]] Result<SslContext> make_tls_context(const ServerAddress& address,
                                                  const std::string& ca_file);

// Shows the server this certificate (PEM, then those up to its authority) if it asks for one.
// Errors: bad_configuration (a file without what it should hold, or a key of another certificate).
[[nodiscard]] Result<void> use_client_certificate(SSL_CTX* context,
                                                  const std::string& certificate_file,
                                                  const std::string& key_file);

// A verified session on the connected non-blocking socket, for end_tls() to free; or nothing, and
// `trouble` says why. Throws std::bad_alloc.
[[nodiscard]] SSL* shake_hands(SSL_CTX* context, int socket, const ServerAddress& address,
                               std::chrono::steady_clock::time_point until, HttpTrouble& trouble);

// Frees the session, if there is one; `gracefully`: tells the peer first.
void end_tls(SSL* ssl, bool gracefully) noexcept;

}  // namespace gyre::client
