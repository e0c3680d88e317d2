// A whole server in this process, without its sockets, and everything that happens to it recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/device/device_backend.hpp"
#include "backends/device/simulated_device.hpp"
#include "core/epoch_table.hpp"
#include "core/epoch_writer.hpp"
#include "core/retirer.hpp"
#include "fault_injection/contents.hpp"
#include "fault_injection/history.hpp"
#include "harness/server/promoter.hpp"
#include "harness/server/query_service.hpp"
#include "harness/server/rotation_service.hpp"
#include "harness/server/source_origin.hpp"
#include "tests/faults/test_snapshots.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::faults {

using fault_injection::Change;
using fault_injection::Recorder;

enum class DeviceRoom : std::uint8_t { for_two_images, for_one_image };

// Thread-safe but for apply(), which is for one thread at a time, the constructor, heal() and
// end().
class World {
 public:
  // What its thread does to worlds is recorded on that track as long as it lives. Without one it is
  // on the track that the world was made with.
  class OnTrack {
   public:
    explicit OnTrack(Recorder::Track& track) { of_thread_ = &track; }
    ~OnTrack() { of_thread_ = nullptr; }
    OnTrack(const OnTrack&) = delete;
    OnTrack& operator=(const OnTrack&) = delete;
  };

  // Base 0 and batch 1 are there. `server`: 0 or 1, also its party.
  World(const TestSnapshots& snapshots, DeviceRoom room, Recorder::Track& track,
        unsigned server = 0);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Each is recorded, and `true` if it succeeded. What `must` succeed is a finding if it fails.
  bool rotate(const protocol::SnapshotRequest& request, bool must = false);
  // Asks for a rotation and, at once, for its end.
  bool rotate_and_cancel(const protocol::SnapshotRequest& request);
  bool apply(const UpdateBatch& batch, bool must = false);
  bool apply_next(bool must = false) { return apply(batch_of(seq() + 1), must); }
  bool compact(bool must = false);
  // To the epoch that was current before, or to the newest one of another base.
  bool roll_back(bool to_other_base, bool must = false);
  bool roll_back_to(const EpochId& id, bool discard_updates, bool must = false);
  // Looks once for something to promote or withdraw.
  bool promote(bool must = false);
  void drop_other_bases();

  // What is held now, with all rows of all images.
  void look(std::string baseline = {});

  // Something that is wrong beside what the history shows.
  void found(std::string what);
  [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }

  // One query of up to three keys, recorded on the caller's track. `ask`: how it reaches the
  // server; else it is answered by answer().
  using Ask = std::function<Result<protocol::QueryResponse>(QueryKind kind,
                                                            const protocol::QueryRequest& request)>;
  bool query(Recorder::Track& track, unsigned client, SeededRandom& random);
  bool query(Recorder::Track& track, unsigned client, SeededRandom& random, const Ask& ask);
  [[nodiscard]] Result<protocol::QueryResponse> answer(QueryKind kind,
                                                       const protocol::QueryRequest& request);

  // For a listener, which must be gone before end().
  [[nodiscard]] server::QueryService& queries() { return *queries_; }
  // Requests that wait for a pass.
  [[nodiscard]] std::size_t queries_waiting() const { return queries_->waiting(); }

  // No faults any more: what was broken is mended, and everything must work again.
  void heal();
  // Everything is let go, and all memory must have come back.
  void end();

  [[nodiscard]] std::uint64_t seq() const { return epochs_->current()->epoch().id.seq; }
  [[nodiscard]] EpochId current() const { return epochs_->current()->epoch().id; }
  [[nodiscard]] const EpochTable& epochs() const { return *epochs_; }
  // Every epoch that there may have been. `one_feed`: no number was tried with two batches, so what
  // each came upon need not be known.
  void add_batches_to(fault_injection::Contents& contents, bool one_feed = false) const;

 private:
  // Records a change around `what`, which fills in what it brought.
  bool change(Change::Kind kind, bool must, const std::function<Result<void>(Change&)>& what);
  void made_current(Change& change, const Lease& lease) const;
  Result<void> wait_for(Change& change, const std::shared_ptr<server::Rotation>& rotation) const;
  [[nodiscard]] std::map<std::string, std::uint64_t> memory() const;
  void look_at_nothing();
  [[nodiscard]] Recorder::Track& track() const {
    return of_thread_ == nullptr ? own_track_ : *of_thread_;
  }

  const TestSnapshots& snapshots_;
  Recorder::Track& own_track_;
  static inline thread_local Recorder::Track* of_thread_ = nullptr;
  const unsigned server_;
  const std::shared_ptr<device::SimulatedDevice> device_;
  DeviceBackend device_backend_;
  std::unique_ptr<CpuBackend> host_;
  std::unique_ptr<Retirer> retirer_;
  std::unique_ptr<EpochTable> epochs_;
  std::unique_ptr<EpochWriter> writer_;
  server::SourceOrigin origin_;
  std::unique_ptr<server::QueryService> queries_;
  std::unique_ptr<server::Promoter> promoter_;
  std::unique_ptr<server::RotationService> rotations_;
  std::mutex findings_mutex_;
  std::vector<std::string> findings_;
  std::vector<std::pair<UpdateBatch, Bytes8>> batches_;  // tried, and the chain they came upon
};

}  // namespace gyre::faults
