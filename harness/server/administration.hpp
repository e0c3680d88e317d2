// What changes a server's epochs, put together: rotations, updates, compaction, and their
// resources.
#pragma once

#include <memory>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch_table.hpp"
#include "core/epoch_writer.hpp"
#include "core/error.hpp"
#include "core/retirer.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/server/admin_resources.hpp"
#include "harness/server/compactor.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/rotation_service.hpp"
#include "harness/server/snapshot_origin.hpp"

namespace gyre::server {

struct AdministrationLimits {
  WriterLimits writer;
  RotationLimits rotations;
  protocol::UpdateLimits updates;

  // Errors: bad_configuration.
  [[nodiscard]] Result<void> check() const;
};

// The constructor, stop() and the destructor are for one thread; what the functions return may be
// used from any.
class Administration {
 public:
  // What is referred to must outlive it; the table must have no other writer. `host_images`: of
  // rotations. Throws std::bad_alloc
  // and std::system_error.
  Administration(EpochTable& epochs, Retirer& retirer, Metrics& metrics,
                 std::vector<Backend*> backends, HostImages host_images,
                 std::unique_ptr<SnapshotOrigin> origin, const AdministrationLimits& limits);

  [[nodiscard]] EpochWriter& writer() noexcept { return writer_; }
  [[nodiscard]] RotationService& rotations() noexcept { return rotations_; }
  [[nodiscard]] Compactor& compactor() noexcept { return compactor_; }
  [[nodiscard]] AdminResources& resources() noexcept { return resources_; }

  // Cancels what runs and returns when it has ended; whoever waits for it gets his answer. Call it
  // before draining the admin listener.
  void stop() { rotations_.stop(); }

 private:
  EpochWriter writer_;
  std::unique_ptr<SnapshotOrigin> origin_;
  Compactor compactor_;
  RotationService rotations_;
  AdminResources resources_;
};

}  // namespace gyre::server
