#include "harness/server/tls_transport.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>

namespace gyre::server {

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

TlsContext::TlsContext(std::unique_ptr<ssl_ctx_st, Free> context) noexcept
    : context_(std::move(context)) {}

Result<TlsContext> TlsContext::load(const std::string& certificate_chain_file,
                                    const std::string& key_file,
                                    const std::string& client_authorities_file) {
  std::unique_ptr<ssl_ctx_st, Free> context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return fail(ErrorCode::out_of_memory, "OpenSSL gave no TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A write may be repeated from another address, after a part of it went out. Idle connections
  // give their buffers back.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // Without a callback OpenSSL would ask for the password of an encrypted key at the terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
  ERR_clear_error();
  const bool loaded =
      SSL_CTX_use_certificate_chain_file(context.get(), certificate_chain_file.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_check_private_key(context.get()) == 1;
  ERR_clear_error();
  if (!loaded) {
    return fail(
        ErrorCode::bad_configuration,
        "the TLS certificate and key must be readable, unencrypted PEM files that belong together");
  }
  if (!client_authorities_file.empty()) {
    auto* const names = SSL_load_client_CA_file(client_authorities_file.c_str());
    if (names == nullptr || SSL_CTX_load_verify_locations(
                                context.get(), client_authorities_file.c_str(), nullptr) != 1) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      ERR_clear_error();
      return fail(ErrorCode::bad_configuration,
                  "the authorities of client certificates must be a readable PEM file");
    }
    SSL_CTX_set_client_CA_list(context.get(), names);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // A resumed session would bring a certificate that nobody has looked at again.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context.get(), 0);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  }
  return TlsContext(std::move(context));
}

void TlsTransport::Free::operator()(ssl_st* connection) const noexcept {
  SSL_free(connection);
}

TlsTransport::TlsTransport(const TlsContext& context, int socket)
    : socket_(socket), connection_(SSL_new(context.context_.get())) {
  if (connection_ != nullptr) SSL_set_fd(connection_.get(), socket_);
}

TlsTransport::~TlsTransport() = default;

template <typename Step>
Transfer TlsTransport::repeat(Step step, Deadline deadline) {
  if (connection_ == nullptr) return {TransferOutcome::failed, 0};
  for (;;) {
    ERR_clear_error();
    const int result = step();
    if (result > 0) return {TransferOutcome::moved, static_cast<std::size_t>(result)};
    const int reason = SSL_get_error(connection_.get(), result);
    if (reason == SSL_ERROR_ZERO_RETURN) return {TransferOutcome::ended, 0};
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
      ERR_clear_error();
      return {TransferOutcome::failed, 0};
    }
    if (!wait_for_socket(socket_, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) {
      return {TransferOutcome::timed_out, 0};
    }
  }
}

bool TlsTransport::handshake(Deadline deadline) {
  return repeat([this] { return SSL_accept(connection_.get()); }, deadline).outcome ==
         TransferOutcome::moved;
}

std::string TlsTransport::peer_subject() const {
  if (connection_ == nullptr) return {};
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(connection_.get()), X509_free);
  if (certificate == nullptr) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
  if (text == nullptr || X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate.get()), 0,
                                            XN_FLAG_RFC2253) < 0) {
    ERR_clear_error();
    return {};
  }
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(text.get(), &bytes);
  return {bytes, static_cast<std::size_t>(std::max(length, 0L))};
}

Transfer TlsTransport::read(std::span<char> into, Deadline deadline) {
  const int room = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
  return repeat([&] { return SSL_read(connection_.get(), into.data(), room); }, deadline);
}

Transfer TlsTransport::write(std::span<const char> from, Deadline deadline) {
  const int length = static_cast<int>(std::min<std::size_t>(from.size(), INT_MAX));
  return repeat([&] { return SSL_write(connection_.get(), from.data(), length); }, deadline);
}

void TlsTransport::end_writing() noexcept {
  if (connection_ != nullptr) SSL_shutdown(connection_.get());
  ERR_clear_error();
  ::shutdown(socket_, SHUT_WR);
}

}  // namespace gyre::server
