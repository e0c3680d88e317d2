#include "harness/client/admin_client.hpp"

#include <openssl/crypto.h>

#include <new>

#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"

namespace gyre::client {
namespace {

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The server's own sentence, if it gave one of the documented form.
Error refusal(const std::string& server, const TransportResponse& response) {
  if (response.content_type == protocol::problem_media_type) {
    if (const auto problem = protocol::decode_problem(as_text(response.body))) {
      // Codes of errors on this side have no status of their own: a server cannot feign one.
      auto code = protocol::known_code(*problem).value_or(ErrorCode::server_refused);
      if (protocol::http_status(code) != response.status) code = ErrorCode::server_refused;
      return {code,
              "server " + server + " refused: " + problem->detail + " (" + problem->code + ")"};
    }
  }
  return {ErrorCode::server_refused,
          "server " + server + " refused with status " + std::to_string(response.status)};
}

}  // namespace

AdminClient::AdminClient(std::unique_ptr<HttpTransport> transport,
                         std::string authorization) noexcept
    : transport_(std::move(transport)), authorization_(std::move(authorization)) {}

AdminClient::AdminClient(AdminClient&&) noexcept = default;
AdminClient& AdminClient::operator=(AdminClient&&) noexcept = default;

AdminClient::~AdminClient() {
  ::OPENSSL_cleanse(authorization_.data(), authorization_.size());
}

Result<AdminClient> AdminClient::create(ResolvedServer server, const HttpTransportOptions& options,
                                        std::string token) {
  if (!server.address.secure && !server.is_loopback()) {
    return fail(ErrorCode::insecure_transport,
                "server " + server.address.text() +
                    " is not on this machine, so its address must begin with https://; the admin "
                    "token does not travel in the clear");
  }
  auto transport = HttpTransport::create(std::move(server), options);
  if (!transport) return forward_error(transport);
  std::string authorization = "Bearer " + token;
  ::OPENSSL_cleanse(token.data(), token.size());
  return AdminClient(std::move(*transport), std::move(authorization));
}

const std::string& AdminClient::server() const noexcept {
  return transport_->server();
}

Result<AdminReply> AdminClient::request(std::string_view method, std::string_view path,
                                        const AdminHeaders& headers, const AdminBody& body,
                                        std::chrono::milliseconds deadline) try {
  if (deadline <= std::chrono::milliseconds(0) || deadline > std::chrono::hours(24)) {
    return fail(ErrorCode::bad_configuration, "a time-out must be above 0 and at most a day");
  }
  AdminHeaders all = headers;
  all.emplace_back("Accept", "application/json, application/problem+json");
  all.emplace_back("Authorization", authorization_);
  auto response = transport_->exchange({.method = method,
                                        .path = path,
                                        .headers = all,
                                        .content_type = body.content_type,
                                        .body = body.bytes,
                                        .max_body_bytes = max_reply_bytes,
                                        .patience = deadline});
  ::OPENSSL_cleanse(all.back().second.data(), all.back().second.size());
  if (!response) return forward_error(response);
  if (response->status < 200 || (response->status >= 300 && response->status < 400)) {
    return fail(ErrorCode::bad_answer, "server " + server() + " answered with status " +
                                           std::to_string(response->status) +
                                           ", which is not one of Gyre's");
  }
  if (response->status >= 400) return tl::unexpected<Error>(refusal(server(), *response));
  return AdminReply{response->status, std::move(response->content_type),
                    std::move(response->location), std::string(as_text(response->body))};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "out of memory while talking to a server");
}

bool is_worth_retrying(const Error& error) noexcept {
  if (error.code == ErrorCode::unreachable || error.code == ErrorCode::timed_out) return true;
  const int status = protocol::http_status(error.code);
  return status == 503 || status == 429;
}

}  // namespace gyre::client
