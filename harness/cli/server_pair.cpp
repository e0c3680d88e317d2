#include "harness/cli/server_pair.hpp"

#include <chrono>
#include <cmath>
#include <iostream>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/client/connect_over_http.hpp"
#include "harness/client/http_transport.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;
using client::PirClient;
using client::ResolvedServer;
using client::ServerAddress;

constexpr double longest_timeout_seconds = 3600;

Result<std::chrono::milliseconds> milliseconds_of(const po::variables_map& values,
                                                  const char* option) {
  const double seconds = values[option].as<double>();
  if (!(seconds >= 0.001 && seconds <= longest_timeout_seconds)) {
    return fail(ErrorCode::bad_configuration,
                "--" + std::string(option) + " must be from 0.001 to 3600 seconds");
  }
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

// What the command line says, with the names resolved.
struct Prepared {
  std::vector<ResolvedServer> servers;  // two
  client::HttpTransportOptions transport_options;
  client::ClientOptions client_options;
};

Result<Prepared> prepare(const po::variables_map& values) {
  const auto urls = values.count("server") == 0 ? std::vector<std::string>{}
                                                : values["server"].as<std::vector<std::string>>();
  if (urls.size() != 2) {
    return fail(ErrorCode::bad_configuration,
                "exactly two servers are needed, each by a --server of its own");
  }
  Prepared prepared;
  client::HttpTransportOptions& transport_options = prepared.transport_options;
  auto connect_timeout = milliseconds_of(values, "connect-timeout");
  if (!connect_timeout) return forward_error(connect_timeout);
  auto timeout = milliseconds_of(values, "timeout");
  if (!timeout) return forward_error(timeout);
  transport_options.connect_timeout = *connect_timeout;
  transport_options.idle_timeout = *timeout;
  transport_options.total_timeout = *timeout;
  if (values.count("ca-file") != 0) {
    transport_options.ca_file = values["ca-file"].as<std::string>();
  }

  prepared.client_options.attempts = values["attempts"].as<unsigned>();
  for (const std::string& url : urls) {
    auto address = ServerAddress::parse(url);
    if (!address) return forward_error(address);
    auto server = client::resolve(*address, *connect_timeout);
    if (!server) return forward_error(server);
    prepared.servers.push_back(std::move(*server));
  }
  return prepared;
}

}  // namespace

void add_server_options(Options& options) {
  options.add()(
      "server", po::value<std::vector<std::string>>()->composing()->value_name("URL"),
      "one of the two servers, http://HOST:PORT on this machine, https://HOST:PORT elsewhere; "
      "give it twice")("ca-file", po::value<std::string>()->value_name("FILE"),
                       "trust the certificates in this PEM file instead of the system's")(
      "connect-timeout", po::value<double>()->default_value(5, "5")->value_name("SECONDS"),
      "longest wait for a connection")(
      "timeout", po::value<double>()->default_value(30, "30")->value_name("SECONDS"),
      "longest wait for a whole answer")(
      "attempts", po::value<unsigned>()->default_value(3)->value_name("N"),
      "how often to ask before giving up, each time with fresh keys");
}

std::variant<std::unique_ptr<PirClient>, int> connect_to_servers(std::string_view command,
                                                                 const po::variables_map& values) {
  const auto report = [command](const Error& error) {
    const bool usage =
        error.code == ErrorCode::unsupported_url || error.code == ErrorCode::bad_configuration;
    const int code = report_query_failure(command, error);
    return usage ? exit_usage : code;
  };
  auto prepared = prepare(values);
  if (!prepared) return report(prepared.error());
  auto client =
      client::connect_over_http(std::move(prepared->servers[0]), std::move(prepared->servers[1]),
                                prepared->transport_options, prepared->client_options);
  if (!client) return report(client.error());
  return std::move(*client);
}

int report_query_failure(std::string_view command, const Error& error) {
  switch (error.code) {
    case ErrorCode::unreachable:
    case ErrorCode::timed_out:
    case ErrorCode::server_refused:
    case ErrorCode::epoch_gone:
      return report_failure(command, error.message + "; nothing was learned");
    default:
      return report_failure(command, error.message);
  }
}

std::string describe_epoch(const protocol::EpochEntry& epoch) {
  const auto& block = epoch.metadata.block_number;
  return "epoch " + epoch.id.text() + (block ? ", block " + std::to_string(*block) : std::string());
}

}  // namespace gyre::cli
