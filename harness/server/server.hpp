// One party's server: its epochs, its queries and its public listener, put together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/retirer.hpp"
#include "harness/server/http_listener.hpp"
#include "harness/server/listening_socket.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/public_listener.hpp"
#include "harness/server/query_service.hpp"
#include "harness/server/tls_transport.hpp"

namespace gyre::server {

struct ServerConfiguration {
  std::uint8_t party = 0;
  ListenAddress listen{"127.0.0.1", 8080};
  std::string tls_certificate_file;  // PEM chain; empty: no TLS
  std::string tls_key_file;          // PEM
  bool allow_plain = false;  // off loopback without TLS, because something in front ends TLS
  HttpLimits http;
  StreamLimits streams;
  QueryLimits queries;
  RetentionPolicy retention;
  // Where every epoch should be resident; /health says `degraded` while one of them is missing.
  std::vector<std::string> residencies;

  // Errors: bad_configuration.
  [[nodiscard]] Result<void> check() const;
};

// start(), drain() and the destructor are for one thread; epochs() may be used from any.
class Server {
 public:
  // Listens and answers from the start; without an epoch it says so. Backends must outlive the
  // server. Errors: bad_configuration, internal, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(
      const ServerConfiguration& configuration);
  ~Server();

  [[nodiscard]] EpochTable& epochs() noexcept { return epochs_; }
  [[nodiscard]] Retirer& retirer() noexcept { return retirer_; }
  [[nodiscard]] QueryService& queries() noexcept { return queries_; }
  [[nodiscard]] PublicListener& listener() noexcept { return listener_; }
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }

  // What was bound, with the port that the system chose.
  [[nodiscard]] const ListenAddress& address() const noexcept { return address_; }
  [[nodiscard]] bool tls() const noexcept { return tls_.has_value(); }

 private:
  Server(const ServerConfiguration& configuration, std::string boot, std::optional<TlsContext> tls);
  // Lets epochs expire without any query or publish, until it is asked to stop.
  void keep_house(const std::stop_token& stop);

  Retirer retirer_;
  EpochTable epochs_;
  QueryService queries_;
  Metrics metrics_;
  std::optional<TlsContext> tls_;
  ListenAddress address_;
  PublicListener listener_;
  std::jthread housekeeping_;  // these two last: they stop before what their threads use
};

}  // namespace gyre::server
