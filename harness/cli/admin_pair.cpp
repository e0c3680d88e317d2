#include "harness/cli/admin_pair.hpp"

#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "harness/cli/command.hpp"
#include "harness/cli/option_values.hpp"
#include "harness/client/admin_token.hpp"
#include "harness/client/http_transport.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;
using client::AdminClient;

constexpr double longest_timeout_seconds = 3600;

Result<std::vector<AdminClient>> connect(const po::variables_map& values) {
  const auto urls = values["to"].as<std::vector<std::string>>();
  if (urls.size() > 2) {
    return fail(ErrorCode::bad_configuration, "one or two servers are needed, each by its --to");
  }
  const double seconds = values["connect-timeout"].as<double>();
  if (!(seconds >= 0.001 && seconds <= longest_timeout_seconds)) {
    return fail(ErrorCode::bad_configuration,
                "--connect-timeout must be from 0.001 to 3600 seconds");
  }
  client::HttpTransportOptions options;
  options.connect_timeout = std::chrono::milliseconds(std::llround(seconds * 1000));
  options.ca_file = text_option(values, "ca-file").value_or("");
  options.client_certificate_file = text_option(values, "client-certificate").value_or("");
  options.client_key_file = text_option(values, "client-key").value_or("");
  auto token = client::read_admin_token(text_option(values, "token-file"));
  if (!token) return forward_error(token);

  std::vector<client::ResolvedServer> servers;
  for (const std::string& url : urls) {
    auto address = client::ServerAddress::parse(url);
    if (!address) return forward_error(address);
    auto server = client::resolve(*address, options.connect_timeout);
    if (!server) return forward_error(server);
    servers.push_back(std::move(*server));
  }
  if (servers.size() == 2) {
    auto distinct = client::check_distinct(servers[0], servers[1]);
    if (!distinct) return forward_error(distinct);
  }
  std::vector<AdminClient> clients;
  for (client::ResolvedServer& server : servers) {
    auto made = AdminClient::create(std::move(server), options, *token);
    if (!made) return forward_error(made);
    clients.push_back(std::move(*made));
  }
  return clients;
}

}  // namespace

void add_admin_options(Options& options) {
  options.add()("to",
                po::value<std::vector<std::string>>()->composing()->required()->value_name("URL"),
                "a server's admin listener, http://HOST:PORT on this machine, https://HOST:PORT "
                "elsewhere; give it once for each server")(
      "token-file", po::value<std::string>()->value_name("FILE"),
      "holds the admin token; without it the variable GYRE_ADMIN_TOKEN does")(
      "ca-file", po::value<std::string>()->value_name("FILE"),
      "trust the certificates in this PEM file instead of the system's")(
      "client-certificate", po::value<std::string>()->value_name("FILE"),
      "PEM certificate to show a server that asks for one")(
      "client-key", po::value<std::string>()->value_name("FILE"), "its private key")(
      "connect-timeout", po::value<double>()->default_value(5, "5")->value_name("SECONDS"),
      "longest wait for a connection");
}

std::variant<std::vector<AdminClient>, int> connect_to_admins(std::string_view command,
                                                              const po::variables_map& values) {
  auto clients = connect(values);
  if (clients) return std::move(*clients);
  const ErrorCode code = clients.error().code;
  const int failure = report_failure(command, clients.error().message);
  const bool usage = code == ErrorCode::unsupported_url || code == ErrorCode::bad_configuration;
  return usage ? exit_usage : failure;
}

}  // namespace gyre::cli
