#include "harness/cli/admin_serve_options.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "harness/cli/option_reader.hpp"
#include "harness/client/admin_token.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

// The token, if there is one.
Result<std::string> read_token(const std::string& file) {
  if (file.empty()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): options are read before there are threads
    if (std::getenv(client::admin_token_variable) == nullptr) return std::string();
    return client::read_admin_token(std::nullopt);
  }
  std::error_code failed;
  const auto permissions = std::filesystem::status(file, failed).permissions();
  if (!failed &&
      (permissions & std::filesystem::perms::others_read) != std::filesystem::perms::none) {
    return fail(ErrorCode::bad_configuration,
                "the file of the admin token must not be readable by everybody: chmod 600");
  }
  return client::read_admin_token(file);
}

}  // namespace

void add_admin_serve_options(Options& options) {
  const server::AdminConfiguration standard;
  const auto text = [](const char* shape) { return po::value<std::string>()->value_name(shape); };
  options.add()("admin-listen", text("HOST:PORT"),
                "where admins are listened to; 127.0.0.1:8081 if only a token is given, nowhere "
                "without either")(
      "admin-token-file", text("FILE"),
      "holds the token that makes somebody an admin; without it the variable GYRE_ADMIN_TOKEN "
      "does, and without either everybody gets 403")(
      "admin-ready-file", text("FILE"), "write the admin listener's URL there once it listens")(
      "admin-tls-cert", text("FILE"), "PEM certificate chain of the admin listener")(
      "admin-tls-key", text("FILE"), "PEM private key, unencrypted")(
      "admin-client-ca", text("FILE"),
      "PEM certificates of authorities; admins need a certificate that one of them issued")(
      "admin-client-subject",
      po::value<std::vector<std::string>>()->composing()->value_name("SUBJECT"),
      "as RFC 2253 writes it, \"CN=ops,O=Example\"; such certificates only; may be given several "
      "times");
}

Result<AdminSettings> read_admin_settings(const po::variables_map& values) {
  AdminSettings settings;
  server::AdminConfiguration& admin = settings.configuration;
  auto token = read_token(text_of(values, "admin-token-file"));
  if (!token) return forward_error(token);
  admin.token = std::move(*token);
  if (const std::string listen = text_of(values, "admin-listen"); !listen.empty()) {
    auto address = server::ListenAddress::parse(listen);
    if (!address) return forward_error(address);
    admin.listen = std::move(*address);
    settings.enabled = true;
  }
  if (!admin.token.empty()) settings.enabled = true;
  settings.ready_file = text_of(values, "admin-ready-file");
  admin.tls_certificate_file = text_of(values, "admin-tls-cert");
  admin.tls_key_file = text_of(values, "admin-tls-key");
  admin.client_authorities_file = text_of(values, "admin-client-ca");
  if (values.count("admin-client-subject") != 0) {
    admin.client_subjects = values["admin-client-subject"].as<std::vector<std::string>>();
  }
  if (auto checked = admin.check(); !checked) return forward_error(checked);
  return settings;
}

}  // namespace gyre::cli
