// The resources under /admin that change what is served; knows no HTTP but its words.
#pragma once

#include <string>
#include <string_view>

#include "core/epoch_writer.hpp"
#include "core/error.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/server/compactor.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/rotation_service.hpp"

namespace gyre::server {

struct AdminAnswer {
  int status = 200;
  std::string body;
  std::string location{};  // of what was begun; empty: no such header
  std::string media_type = "application/json";
};

// Thread-safe. An error is what the problem document says.
class AdminResources {
 public:
  // All of it must outlive this.
  AdminResources(RotationService& rotations, EpochWriter& writer, const EpochTable& epochs,
                 Compactor& compactor, Metrics& metrics, protocol::UpdateLimits update_limits = {});

  // POST /admin/snapshot. Waits until the rotation has ended, unless `prefer` (the header's value)
  // asks for an answer at once: 202 then. A client that goes away changes nothing. Errors: those of
  // decode_snapshot_request, RotationService::start and the rotation.
  [[nodiscard]] Result<AdminAnswer> post_snapshot(std::string_view body, std::string_view prefer);
  // GET /admin/rotations, GET and DELETE /admin/rotations/{id}. A DELETE waits a while for the end;
  // what was committed already is published all the same, and the answer says so. Errors:
  // not_found.
  [[nodiscard]] Result<AdminAnswer> get_rotations() const;
  [[nodiscard]] Result<AdminAnswer> get_rotation(std::string_view id) const;
  [[nodiscard]] Result<AdminAnswer> delete_rotation(std::string_view id) const;
  // POST /admin/rollback. Errors: those of decode_rollback_request and RotationService::roll_back.
  [[nodiscard]] Result<AdminAnswer> post_rollback(std::string_view body);
  // POST /admin/updates. Errors: those of decode_update_batch and EpochWriter::apply.
  [[nodiscard]] Result<AdminAnswer> post_updates(std::string_view body,
                                                 protocol::Encoding encoding);

  [[nodiscard]] const protocol::UpdateLimits& update_limits() const noexcept {
    return update_limits_;
  }

 private:
  [[nodiscard]] Result<AdminAnswer> apply_updates(std::string_view body,
                                                  protocol::Encoding encoding);

  RotationService& rotations_;
  EpochWriter& writer_;
  const EpochTable& epochs_;
  Compactor& compactor_;
  Metrics& metrics_;
  const protocol::UpdateLimits update_limits_;
};

// Whether a Prefer header (RFC 7240) has the preference "respond-async".
[[nodiscard]] bool prefers_async(std::string_view prefer) noexcept;

}  // namespace gyre::server
