// TLS (1.2 and later) over a socket, by OpenSSL.
#pragma once

#include <memory>
#include <string>

#include "core/error.hpp"
#include "harness/server/transport.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace gyre::server {

// A certificate chain and its key, loaded once and shared by all connections. Thread-safe.
class TlsContext {
 public:
  // Both PEM; the key unencrypted. Errors: bad_configuration (a file is unreadable, or they do not
  // belong together).
  // With a file of certificates of authorities (PEM), who connects must have a certificate that one
  // of them issued.
  [[nodiscard]] static Result<TlsContext> load(const std::string& certificate_chain_file,
                                               const std::string& key_file,
                                               const std::string& client_authorities_file = {});

 private:
  friend class TlsTransport;
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  explicit TlsContext(std::unique_ptr<ssl_ctx_st, Free> context) noexcept;
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

// The server's side of one connection. See Transport for its threads.
//
// REQUIRES: SIGPIPE is ignored in this process. OpenSSL writes to the socket without MSG_NOSIGNAL,
// so a peer that is gone would otherwise end it.
class TlsTransport final : public Transport {
 public:
  // `context` must outlive the transport; `socket` is non-blocking and not owned.
  TlsTransport(const TlsContext& context, int socket);
  ~TlsTransport() override;

  // Before anything else; false if the peer does not speak TLS, gives up, or the deadline passes.
  [[nodiscard]] bool handshake(Deadline deadline);

  // The subject of the peer's verified certificate as RFC 2253 writes it; empty if it has none.
  // After the handshake.
  [[nodiscard]] std::string peer_subject() const;

  [[nodiscard]] Transfer read(std::span<char> into, Deadline deadline) override;
  [[nodiscard]] Transfer write(std::span<const char> from, Deadline deadline) override;
  void end_writing() noexcept override;

 private:
  struct Free {
    void operator()(ssl_st* connection) const noexcept;
  };
  // Calls `step` (an OpenSSL operation that returns above 0 for success) until it is through.
  template <typename Step>
  Transfer repeat(Step step, Deadline deadline);

  int socket_;
  std::unique_ptr<ssl_st, Free> connection_;
};

}  // namespace gyre::server
