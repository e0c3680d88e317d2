#include "harness/server/administration.hpp"

#include <utility>

#include "core/dpf/key.hpp"
#include "harness/crypto/sha256.hpp"

namespace gyre::server {
namespace {

tl::unexpected<Error> unusable(std::string message) {
  return fail(ErrorCode::bad_configuration, std::move(message));
}

}  // namespace

Result<void> AdministrationLimits::check() const {
  if (writer.max_overlay_rows == 0 || updates.max_rows == 0) {
    return unusable("an overlay and a batch must be allowed at least one row");
  }
  if (writer.compact_at_rows == 0 || writer.compact_at_rows > writer.max_overlay_rows) {
    return unusable("an overlay must be folded at 1 row to as many as it may have");
  }
  if (rotations.max_key_levels > dpf::max_levels) {
    return unusable("keys have at most " + std::to_string(dpf::max_levels) + " levels");
  }
  if (rotations.max_snapshot_bytes == 0) {
    return unusable("a snapshot must be allowed at least one byte");
  }
  return {};
}

Administration::Administration(EpochTable& epochs, Retirer& retirer, Metrics& metrics,
                               std::vector<Backend*> backends, HostImages host_images,
                               std::unique_ptr<SnapshotOrigin> origin,
                               const AdministrationLimits& limits)
    : writer_(epochs, crypto::sha256, limits.writer),
      origin_(std::move(origin)),
      compactor_(writer_),
      rotations_(
          RotationEnvironment{epochs, writer_, *origin_, stage_in(std::move(backends), host_images),
                              [&epochs, &retirer] {
                                epochs.drop_other_bases();
                                retirer.drain();
                              },
                              // Nothing is durable yet: a restart begins with the snapshot
                              // that the server is started with.
                              [] { return Result<void>(); },
                              [&metrics](const protocol::RotationDocument& ended) {
                                metrics.count_rotation(ended);
                              }},
          limits.rotations, epochs.boot()),
      resources_(rotations_, writer_, epochs, compactor_, metrics, limits.updates) {}

}  // namespace gyre::server
