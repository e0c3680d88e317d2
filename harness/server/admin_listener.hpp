// The admin listener: what changes a server's epochs, and what it counts, for those who have
// its token.
#pragma once

#include <functional>
#include <string>

#include "harness/server/admin_access.hpp"
#include "harness/server/admin_resources.hpp"
#include "harness/server/http_listener.hpp"

namespace gyre::server {

// What GET /metrics answers.
using MetricsText = std::function<std::string()>;

// Thread-safe, but start() and drain() are for one thread. Every request leaves one line in the
// log: who asked for what and what came of it; never a token, a path that was made up, or a body.
class AdminListener {
 public:
  // `resources`, `access` and `tls` (if any) must outlive the listener; `metrics` is called on many
  // threads at once.
  AdminListener(AdminResources& resources, MetricsText metrics, AdminAccess& access,
                HttpLimits limits, const TlsContext* tls);
  ~AdminListener();  // drains with no patience
  AdminListener(const AdminListener&) = delete;
  AdminListener& operator=(const AdminListener&) = delete;

  [[nodiscard]] Result<void> start(ListeningSocket socket) {
    return http_.start(std::move(socket));
  }
  // See HttpListener::drain(). Rotations must have been stopped: those who wait for one are
  // answered when it ends.
  bool drain(Deadline deadline) { return http_.drain(deadline); }

  [[nodiscard]] const HttpListener& http() const noexcept { return http_; }

 private:
  using Resource = std::function<Result<AdminAnswer>(const httplib::Request&)>;
  // Answers with what the resource answers, or with its problem.
  static void answer(const Resource& resource, const httplib::Request& request,
                     httplib::Response& response);
  [[nodiscard]] std::optional<Refusal> admit(const Peer& peer, const RequestHead& head);

  AdminResources& resources_;
  AdminAccess& access_;
  HttpListener http_;
};

}  // namespace gyre::server
