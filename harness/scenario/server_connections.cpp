#include "harness/scenario/server_connections.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/bytes.hpp"
#include "harness/client/connect_over_http.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::scenario {
namespace {

// A rotation is answered when it is done.
constexpr std::chrono::minutes longest_request{30};

Result<client::ResolvedServer> resolve(const std::string& url) {
  const auto address = client::ServerAddress::parse(url);
  if (!address) return tl::unexpected<Error>(address.error());
  return client::resolve(*address, std::chrono::seconds(5));
}

}  // namespace

Result<std::unique_ptr<client::PirClient>> connect_clients(const ServerProcesses& servers) {
  auto first = resolve(servers.url(0));
  if (!first) return forward_error(first);
  auto second = resolve(servers.url(1));
  if (!second) return forward_error(second);
  client::ClientOptions options;
  options.attempts = 8;  // an epoch may go while it is asked about, and then the next
  return client::connect_over_http(std::move(*first), std::move(*second), {}, options);
}

Result<Admins> Admins::connect(const ServerProcesses& servers) {
  std::vector<client::AdminClient> clients;
  for (const std::size_t party : {0U, 1U}) {
    auto server = resolve(servers.admin_url(party));
    if (!server) return forward_error(server);
    client::HttpTransportOptions options;
    options.idle_timeout = longest_request;
    options.total_timeout = longest_request;
    auto client = client::AdminClient::create(std::move(*server), options, servers.admin_token());
    if (!client) return forward_error(client);
    clients.push_back(std::move(*client));
  }
  return Admins(std::move(clients));
}

Result<nlohmann::json> Admins::post(std::size_t party, const std::string& path,
                                    const std::string& content_type, const std::string& body) {
  auto reply =
      clients_[party].request("POST", path, {}, {content_type, as_bytes(body)}, longest_request);
  if (!reply) return forward_error(reply);
  return nlohmann::json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
}

Result<std::array<nlohmann::json, 2>> Admins::post_both(const std::string& path,
                                                        const std::string& content_type,
                                                        const std::string& body) {
  Result<nlohmann::json> second;
  std::thread other([&] { second = post(1, path, content_type, body); });
  auto first = post(0, path, content_type, body);
  other.join();
  if (!first) return forward_error(first);
  if (!second) return forward_error(second);
  return std::array{std::move(*first), std::move(*second)};
}

}  // namespace gyre::scenario
