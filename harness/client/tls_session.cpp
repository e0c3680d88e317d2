#include "harness/client/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <new>

#include "harness/client/client_socket.hpp"
#include "harness/client/quiet_socket_bio.hpp"

namespace gyre::client {
namespace {

using Clock = std::chrono::steady_clock;

HttpTrouble certificate_trouble(long verify_result) noexcept {
  switch (verify_result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return HttpTrouble::certificate_name;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return HttpTrouble::certificate_time;
    default:
      return HttpTrouble::certificate_issuer;
  }
}

}  // namespace

Result<SslContext> make_tls_context(const ServerAddress& address, const std::string& ca_file) {
  ::ERR_clear_error();
  SslContext context(::SSL_CTX_new(::TLS_client_method()));
  if (context == nullptr) return fail(ErrorCode::internal, "OpenSSL gave no TLS context");
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const bool trust = ca_file.empty()
                         ? ::SSL_CTX_set_default_verify_paths(context.get()) == 1
                         : ::SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) == 1;
  if (!trust) {
    ::ERR_clear_error();
    return fail(ErrorCode::bad_configuration,
                "the CA file must hold at least one certificate in PEM form");
  }
  X509_VERIFY_PARAM* const verify = ::SSL_CTX_get0_param(context.get());
  ::X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool named =
      address.is_ip_address()
          ? ::X509_VERIFY_PARAM_set1_ip_asc(verify, address.host.c_str()) == 1
          : ::X509_VERIFY_PARAM_set1_host(verify, address.host.c_str(), address.host.size()) == 1;
  const bool modern = ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1;
  if (!named || !modern) {
    return fail(ErrorCode::internal, "OpenSSL refused the settings for verified TLS");
  }
  return context;
}

Result<void> use_client_certificate(SSL_CTX* context, const std::string& certificate_file,
                                    const std::string& key_file) {
  ::ERR_clear_error();
  const bool usable =
      ::SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) == 1 &&
      ::SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) == 1 &&
      ::SSL_CTX_check_private_key(context) == 1;
  ::ERR_clear_error();
  if (usable) return {};
  return fail(
      ErrorCode::bad_configuration,
      "the client's certificate and its private key must be PEM files that belong together");
}

SSL* shake_hands(SSL_CTX* context, int socket, const ServerAddress& address,
                 Clock::time_point until, HttpTrouble& trouble) {
  SSL* const ssl = ::SSL_new(context);
  BIO* const bio = new_quiet_socket_bio(socket);
  if (ssl == nullptr || bio == nullptr) {
    ::SSL_free(ssl);
    ::BIO_free(bio);
    throw std::bad_alloc();  // becomes out_of_memory at this module's edge
  }
  ::SSL_set_bio(ssl, bio, bio);
  if (!address.is_ip_address()) {
    std::string name = address.host;
    ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
  while (true) {
    ::ERR_clear_error();
    const int connected = ::SSL_connect(ssl);
    if (connected == 1) return ssl;
    const int reason = ::SSL_get_error(ssl, connected);
    const bool wants_read = reason == SSL_ERROR_WANT_READ;
    if (wants_read || reason == SSL_ERROR_WANT_WRITE) {
      // A server that drips its handshake is always ready: the clock decides.
      const Wait wait = Clock::now() >= until
                            ? Wait::timed_out
                            : wait_for(socket, wants_read ? POLLIN : POLLOUT, until);
      if (wait == Wait::ready) continue;
      trouble = wait == Wait::timed_out ? HttpTrouble::connect_timed_out : HttpTrouble::cut_off;
    } else if (const long verified = ::SSL_get_verify_result(ssl); verified != X509_V_OK) {
      trouble = certificate_trouble(verified);
    } else if (reason == SSL_ERROR_SYSCALL ||
               ERR_GET_REASON(::ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      trouble = HttpTrouble::cut_off;
    } else {
      trouble = HttpTrouble::no_tls;
    }
    ::ERR_clear_error();
    ::SSL_free(ssl);
    return nullptr;
  }
}

void end_tls(SSL* ssl, bool gracefully) noexcept {
  if (ssl == nullptr) return;
  ::ERR_clear_error();
  if (gracefully) ::SSL_shutdown(ssl);
  ::SSL_free(ssl);
  ::ERR_clear_error();
}

}  // namespace gyre::client
