#include "harness/server/admin_listener.hpp"

#include <httplib.h>
#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "harness/protocol/query_codec.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/server/problem_response.hpp"
#include "harness/server/request_head.hpp"

namespace gyre::server {
namespace {

using protocol::Encoding;

// What the line of a request says besides what the listener knows. A request is handled on one
// thread from its gate to its witness.
struct Notes {
  const char* who = "-";
  std::string_view code = "-";
};
thread_local Notes notes;

void write_audit_line(const Exchange& exchange) {
  const Notes noted = std::exchange(notes, Notes{});
  // RFC 2253's form escapes quotes and whatever is not printable.
  spdlog::info(
      "event=audit who={} peer={} subject=\"{}\" method={} route={} status={} code={} "
      "seconds={:.3f}",
      noted.who, exchange.peer.address, exchange.peer.certificate_subject, exchange.method,
      exchange.route, exchange.status, noted.code, exchange.seconds);
}

HttpLimits with_body_bound(HttpLimits limits) {
  limits.max_body_bytes = protocol::max_admin_request_bytes;
  return limits;
}

std::string id_of(const httplib::Request& request) {
  return request.matches.size() > 1 ? request.matches[1].str() : std::string();
}

}  // namespace

AdminListener::AdminListener(AdminResources& resources, MetricsText metrics, AdminAccess& access,
                             HttpLimits limits, const TlsContext* tls)
    : resources_(resources), access_(access), http_(with_body_bound(limits), tls) {
  const auto handler = [](Resource resource) {
    return [resource = std::move(resource)](const httplib::Request& request,
                                            httplib::Response& response) {
      answer(resource, request, response);
    };
  };
  const std::string json(media_type(Encoding::json));
  const std::string binary(media_type(Encoding::binary));
  http_.post("/admin/snapshot", {json}, handler([this](const httplib::Request& request) {
               return resources_.post_snapshot(request.body, request.get_header_value("Prefer"));
             }));
  http_.get("/admin/rotations",
            handler([this](const httplib::Request&) { return resources_.get_rotations(); }));
  http_.get("/admin/rotations/{id}", handler([this](const httplib::Request& request) {
              return resources_.get_rotation(id_of(request));
            }));
  http_.del("/admin/rotations/{id}", handler([this](const httplib::Request& request) {
              return resources_.delete_rotation(id_of(request));
            }));
  http_.post("/admin/rollback", {json}, handler([this](const httplib::Request& request) {
               return resources_.post_rollback(request.body);
             }));
  http_.post(
      "/admin/updates", {json, binary}, handler([this, json](const httplib::Request& request) {
        return resources_.post_updates(
            request.body,
            request.get_header_value("Content-Type") == json ? Encoding::json : Encoding::binary);
      }),
      resources_.update_limits().max_body_bytes);
  http_.get("/metrics", handler([metrics = std::move(metrics)](const httplib::Request&) {
              return AdminAnswer{200, metrics(), "", std::string(metrics_media_type)};
            }));
  http_.set_gate([this](const Peer& peer, const RequestHead& head) { return admit(peer, head); });
  http_.set_witness(write_audit_line);
}

AdminListener::~AdminListener() {
  drain(std::chrono::steady_clock::now());
}

std::optional<Refusal> AdminListener::admit(const Peer& peer, const RequestHead& head) {
  const auto checked = access_.check(peer.address, peer.certificate_subject,
                                     head.find("authorization"), std::chrono::steady_clock::now());
  if (checked) {
    notes.who = "admin";
    return std::nullopt;
  }
  const Error& error = checked.error();
  notes = {"stranger", name(error.code)};
  if (error.code == ErrorCode::unauthorized) {
    return Refusal{error, "WWW-Authenticate: Bearer\r\n"};
  }
  if (error.code == ErrorCode::too_many_requests) {
    constexpr auto most = std::chrono::ceil<std::chrono::seconds>(AdminAccess::longest_wait);
    return Refusal{error, "Retry-After: " + std::to_string(most.count()) + "\r\n"};
  }
  return Refusal{error};
}

void AdminListener::answer(const Resource& resource, const httplib::Request& request,
                           httplib::Response& response) {
  auto answered = resource(request);
  if (!answered) {
    notes.code = name(answered.error().code);
    set_problem(response, answered.error());
    return;
  }
  response.status = answered->status;
  if (!answered->location.empty()) response.set_header("Location", answered->location);
  response.set_content(answered->body, answered->media_type);
}

}  // namespace gyre::server
