#include "harness/server/server.hpp"

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "core/bytes.hpp"
#include "core/random_source.hpp"
#include "harness/protocol/epoch_document.hpp"

namespace gyre::server {
namespace {

// Threads that queries waiting for a pass must leave to everybody else.
constexpr std::size_t spare_connections = 8;

constexpr std::size_t max_connections = 16'384;
constexpr std::size_t max_pass_queries = 1024;
constexpr std::size_t max_passes = 16;

constexpr std::chrono::seconds longest_retention{1'000'000'000};

constexpr std::size_t most_streams = 4096;

tl::unexpected<Error> unusable(std::string message) {
  return fail(ErrorCode::bad_configuration, std::move(message));
}

}  // namespace

Result<void> ServerConfiguration::check() const {
  if (party > 1) return unusable("the party must be 0 or 1");
  if (tls_certificate_file.empty() != tls_key_file.empty()) {
    return unusable("TLS needs both a certificate file and a key file");
  }
  constexpr std::uint32_t most_keys = 1U << 20U;
  if (queries.max_keys == 0 || queries.max_keys > most_keys) {
    return unusable("a request must be allowed from 1 to 1048576 keys");
  }
  if (queries.max_pass_queries == 0 || queries.max_pass_queries > max_pass_queries) {
    return unusable("a pass must be allowed from 1 to 1024 queries");
  }
  if (queries.max_passes == 0 || queries.max_passes > max_passes) {
    return unusable("from 1 to 16 passes must be allowed to run at once");
  }
  if (queries.max_answer_bytes == 0 || queries.answer_memory_bytes / 4 < queries.max_answer_bytes) {
    return unusable("the memory for answers must hold at least four times the largest answer");
  }
  // Each query in a pass may be of another connection.
  if (http.max_connections > max_connections || queries.max_waiting > max_connections ||
      http.max_connections <
          queries.max_passes * queries.max_pass_queries + queries.max_waiting + spare_connections) {
    return unusable(
        "there must be 8 more connections than queries in all passes at once and waiting requests "
        "together, and at most 16384");
  }
  if (http.max_head_bytes < 1024) return unusable("a head must be allowed at least 1024 bytes");
  if (streams.max_streams > most_streams) {
    return unusable("at most 4096 streams of epochs can be open");
  }
  for (const auto time :
       {http.head_time, http.body_time, http.send_time, http.idle_time, queries.patience,
        queries.request_time, streams.heartbeat, streams.send_time}) {
    if (time.count() <= 0) return unusable("time-outs must be longer than 0");
  }
  if (retention.retain_epochs > protocol::max_retained_entries) {
    return unusable("at most 1024 earlier epochs can be retained: clients read no longer lists");
  }
  if (retention.retain_for.count() < 0 || retention.retain_for > longest_retention) {
    return unusable("epochs can be retained for 0 to 1000000000 seconds");
  }
  return {};
}

Server::Server(const ServerConfiguration& configuration, std::string boot,
               std::optional<TlsContext> tls)
    : epochs_(std::move(boot), configuration.retention, retirer_),
      queries_(epochs_, configuration.party, configuration.queries),
      tls_(std::move(tls)),
      listener_(epochs_, queries_, metrics_, configuration.http, configuration.streams,
                tls_ ? &*tls_ : nullptr, configuration.residencies) {}

Server::~Server() = default;

void Server::keep_house(const std::stop_token& stop) {
  // Retention is counted in seconds.
  constexpr std::chrono::seconds pause{1};
  std::mutex mutex;
  std::condition_variable_any end;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    end.wait_for(lock, stop, pause, [] { return false; });
    epochs_.expire(std::chrono::steady_clock::now());
  }
}

Result<std::unique_ptr<Server>> Server::start(const ServerConfiguration& configuration) try {
  if (auto checked = configuration.check(); !checked) return forward_error(checked);
  std::optional<TlsContext> tls;
  if (!configuration.tls_certificate_file.empty()) {
    auto loaded = TlsContext::load(configuration.tls_certificate_file, configuration.tls_key_file);
    if (!loaded) return forward_error(loaded);
    tls = std::move(*loaded);
  }
  auto socket = ListeningSocket::open(configuration.listen);
  if (!socket) return forward_error(socket);
  if (!socket->loopback && !tls && !configuration.allow_plain) {
    return unusable(
        "an address off loopback needs --tls-cert and --tls-key, or --allow-plain if a proxy in "
        "front "
        "ends TLS: whoever reads both servers' queries learns what was asked for");
  }
  std::array<std::byte, 8> boot;
  if (auto filled = SystemRandom().fill(boot); !filled) return forward_error(filled);
  std::unique_ptr<Server> server(new Server(configuration, to_hex(boot), std::move(tls)));
  server->address_ = socket->bound;
  if (auto started = server->listener_.start(std::move(*socket)); !started) {
    return forward_error(started);
  }
  server->housekeeping_ =
      std::jthread([&kept = *server](const std::stop_token& stop) { kept.keep_house(stop); });
  return server;
} catch (const std::exception&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory, or no thread, for a server");
}

}  // namespace gyre::server
