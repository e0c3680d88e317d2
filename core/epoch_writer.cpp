#include "core/epoch_writer.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/fault_point.hpp"

namespace gyre {
namespace {

Error no_memory() {
  return {ErrorCode::out_of_memory, "no memory for the next epoch"};
}

const TableUpdate* part_for(const UpdateBatch& batch, const Bytes16& table) {
  const auto found = std::find_if(batch.tables.begin(), batch.tables.end(),
                                  [&](const TableUpdate& part) { return part.table == table; });
  return found == batch.tables.end() ? nullptr : &*found;
}

// Whether the rows are rows of the geometry.
bool fits(const TableUpdate& part, const Geometry& geometry) {
  return part.data.size() == part.rows.size() * std::size_t{geometry.row_bytes} &&
         part.rows.back() < geometry.rows;
}

Bytes32 digest_of(std::span<const std::byte> bytes, Sha256 sha256) {
  const std::array<std::span<const std::byte>, 1> parts = {bytes};
  return sha256(parts);
}

tl::unexpected<Error> no_epoch() {
  return fail(ErrorCode::no_epoch, "this server has no epoch yet; rotate to a snapshot first");
}

tl::unexpected<Error> would_lose(const std::string& why) {
  return fail(ErrorCode::updates_would_be_lost,
              why + "; build the snapshot as of a later batch, or allow it to discard updates");
}

}  // namespace

struct EpochWriter::Replay {
  Epoch epoch;
  RowChanges changes;
  std::uint64_t batches = 0;
};

EpochWriter::EpochWriter(EpochTable& epochs, Sha256 sha256, WriterLimits limits)
    : epochs_(epochs), sha256_(sha256), limits_(limits) {
  if (const auto current = epochs_.current()) {
    auto changes = changes_of(current->epoch());
    if (!changes) throw std::bad_alloc();
    changes_ = std::move(*changes);
  }
}

Result<RowChanges> EpochWriter::changes_of(const Epoch& epoch) const {
  return RowChanges::of(epoch.overlay, epoch.metadata.geometry.row_bytes, limits_.max_overlay_rows);
}

Result<OverlayBatch> EpochWriter::differences(const Epoch& current, std::uint64_t seq,
                                              const TableUpdate& part) {
  const Geometry& geometry = current.metadata.geometry;
  if (!fits(part, geometry)) {
    return fail(ErrorCode::malformed_request, "rows of the current table must be below " +
                                                  std::to_string(geometry.rows) + " and have " +
                                                  std::to_string(geometry.row_bytes) + " bytes");
  }
  if (part.rows.size() >
      limits_.max_overlay_rows - std::min(limits_.max_overlay_rows, current.overlay.rows())) {
    return fail(ErrorCode::overlay_full, "the overlay holds at most " +
                                             std::to_string(limits_.max_overlay_rows) +
                                             " rows; try again when it has been folded");
  }
  if (auto room = changes_.make_room(part.rows); !room) return forward_error(room);
  OverlayBatch batch{seq, part.rows, part.data};
  std::vector<std::byte> row(geometry.row_bytes);
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    // The last image is the one nearest to the host.
    if (auto read = current.images.back()->read_rows(batch.rows[i], row); !read) {
      return forward_error(read);
    }
    changes_.apply_to(batch.rows[i], row);
    for (std::size_t j = 0; j < row.size(); ++j) batch.differences[i * row.size() + j] ^= row[j];
  }
  return batch;
}

Result<EpochWriter::Applied> EpochWriter::apply(const UpdateBatch& batch) try {
  if (auto checked = check_well_formed(batch); !checked) return forward_error(checked);
  const std::vector<std::byte> bytes = binary_form(batch);
  const Bytes32 digest = digest_of(bytes, sha256_);

  const std::lock_guard lock(update_mutex_);
  GYRE_FAULT_POINT(updates_lock);
  const auto lease = epochs_.current();
  if (!lease) return no_epoch();
  const Epoch& current = lease->epoch();
  const TableUpdate* const part = part_for(batch, current.metadata.table);
  const std::uint64_t rows = part == nullptr ? 0 : part->rows.size();

  if (batch.seq <= current.id.seq) {
    const UpdateLog::Entry known = current.updates.find(batch.seq);
    if (known != nullptr && known->digest == digest &&
        current.id.seq - batch.seq < limits_.resend_window) {
      return Applied{known->id, known->rows, true};
    }
    return fail(
        ErrorCode::sequence_conflict,
        "that number belongs to another batch, or to one too long ago; the next number is " +
            std::to_string(current.id.seq + 1));
  }
  if (batch.seq != current.id.seq + 1) {
    return fail(ErrorCode::sequence_gap, "batches must come in order; the next number is " +
                                             std::to_string(current.id.seq + 1));
  }

  Epoch next = current;
  next.id = current.id.after(batch.seq, bytes, sha256_);
  std::optional<OverlayBatch> changed;
  if (part != nullptr) {
    auto computed = differences(current, batch.seq, *part);
    if (!computed) return forward_error(computed);
    GYRE_FAULT_POINT(overlay_append);
    auto overlay = current.overlay.append(current.metadata.geometry, *computed);
    if (!overlay) return forward_error(overlay);
    next.overlay = std::move(*overlay);
    changed = std::move(*computed);
  }
  auto log = current.updates.append(
      std::make_shared<const LoggedBatch>(LoggedBatch{batch, digest, next.id, rows}),
      limits_.max_log_bytes);
  if (!log) return forward_error(log);
  next.updates = std::move(*log);

  const EpochId id = next.id;
  auto prepared = epochs_.prepare(std::move(next));
  if (!prepared) return forward_error(prepared);
  const Lease published = epochs_.publish(std::move(*prepared));
  if (changed) changes_.add(*changed);
  return Applied{id, rows, false, published.generation().count};
} catch (const std::bad_alloc&) {
  return tl::unexpected<Error>(no_memory());
}

Result<EpochWriter::RotationLock> EpochWriter::lock_rotation(std::chrono::milliseconds patience,
                                                             const std::stop_token& stop) {
  GYRE_FAULT_POINT(rotation_lock);
  std::unique_lock lock(rotation_mutex_);
  if (!rotation_over_.wait_for(lock, stop, patience, [this] { return !rotating_; })) {
    if (stop.stop_requested()) {
      return fail(ErrorCode::cancelled, "it was cancelled while it waited for another rotation");
    }
    return fail(ErrorCode::rotation_in_progress,
                "another rotation, rollback or compaction is under way; try again when it is over");
  }
  rotating_ = true;
  return RotationLock(*this);
}

void EpochWriter::unlock_rotation() noexcept {
  {
    const std::lock_guard lock(rotation_mutex_);
    rotating_ = false;
  }
  rotation_over_.notify_one();
}

Result<void> EpochWriter::replay(const UpdateLog& log, std::uint64_t seq, Replay& replay) const {
  Epoch& epoch = replay.epoch;
  const Geometry& geometry = epoch.metadata.geometry;
  if (epoch.id.seq >= seq) return {};
  auto batches = log.range(epoch.id.seq + 1, seq);
  if (!batches) return forward_error(batches);
  std::vector<std::byte> row(geometry.row_bytes);
  for (const UpdateLog::Entry& logged : *batches) {
    const std::string name = "batch " + std::to_string(logged->batch.seq);
    const TableUpdate* const part = part_for(logged->batch, epoch.metadata.table);
    if (part == nullptr) return would_lose(name + " has no rows for the snapshot's table");
    if (!fits(*part, geometry))
      return would_lose("the rows of " + name + " do not fit the snapshot");
    if (auto room = replay.changes.make_room(part->rows); !room) return room;
    OverlayBatch batch{logged->batch.seq, part->rows, part->data};
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
      if (auto read = epoch.images.back()->read_rows(batch.rows[i], row); !read) return read;
      replay.changes.apply_to(batch.rows[i], row);
      for (std::size_t j = 0; j < row.size(); ++j) batch.differences[i * row.size() + j] ^= row[j];
    }
    replay.changes.add(batch);
    if (epoch.overlay.rows() + batch.rows.size() > limits_.max_overlay_rows) {
      return fail(ErrorCode::overlay_full,
                  "the batches after the snapshot change more rows than the overlay holds; build "
                  "it as of a later batch");
    }
    auto overlay = epoch.overlay.append(geometry, std::move(batch));
    if (!overlay) return forward_error(overlay);
    epoch.overlay = std::move(*overlay);
    epoch.id = epoch.id.after(logged->batch.seq, binary_form(logged->batch), sha256_);
    ++replay.batches;
  }
  return {};
}

Result<void> EpochWriter::take_over(const Epoch& current, bool discard_updates,
                                    Replay& replay) const {
  const std::uint64_t as_of_seq = replay.epoch.metadata.as_of_seq;
  auto replayed = this->replay(current.updates, current.id.seq, replay);
  if (replayed) {
    replay.epoch.updates = current.updates;
    return {};
  }
  if (replayed.error().code != ErrorCode::updates_would_be_lost || !discard_updates) {
    return replayed;
  }
  auto log = current.updates.up_to(as_of_seq);
  if (!log) return forward_error(log);
  replay.epoch.updates = std::move(*log);
  replay.epoch.id = EpochId::of_base(replay.epoch.content_id, as_of_seq);
  replay.epoch.overlay = Overlay();
  replay.batches = 0;
  auto changes = changes_of(replay.epoch);
  if (!changes) return forward_error(changes);
  replay.changes = std::move(*changes);
  return {};
}

Result<EpochWriter::Installed> EpochWriter::install(
    const RotationLock& /*lock*/, Base base, bool discard_updates,
    const std::function<Result<void>()>& commit) try {
  Replay replay;
  replay.epoch.id = EpochId::of_base(base.content_id, base.metadata.as_of_seq);
  replay.epoch.content_id = base.content_id;
  replay.epoch.metadata = base.metadata;
  replay.epoch.images = std::move(base.images);
  const bool fitting =
      std::all_of(replay.epoch.images.begin(), replay.epoch.images.end(), [&](const auto& image) {
        return image != nullptr && image->geometry() == replay.epoch.metadata.geometry;
      });
  if (replay.epoch.images.empty() || !fitting) {
    return fail(ErrorCode::wrong_epoch_content,
                "a base needs an image, and each must have the geometry its metadata states");
  }
  auto changes = changes_of(replay.epoch);
  if (!changes) return forward_error(changes);
  replay.changes = std::move(*changes);

  // Most of it without holding up batches; what comes meanwhile follows under the lock.
  if (const auto early = epochs_.current()) {
    auto begun = this->replay(early->epoch().updates, early->epoch().id.seq, replay);
    if (!begun && (begun.error().code != ErrorCode::updates_would_be_lost || !discard_updates)) {
      return forward_error(begun);
    }
  }
  const std::lock_guard lock(update_mutex_);
  std::uint64_t discarded = 0;
  if (const auto now = epochs_.current()) {
    auto taken = take_over(now->epoch(), discard_updates, replay);
    if (!taken) return forward_error(taken);
    const std::uint64_t reached = replay.epoch.id.seq;
    discarded = now->epoch().id.seq - std::min(now->epoch().id.seq, reached);
  }
  auto prepared = epochs_.prepare(std::move(replay.epoch));
  if (!prepared) return forward_error(prepared);
  if (auto committed = commit(); !committed) return forward_error(committed);
  Lease lease = epochs_.publish(std::move(*prepared));
  changes_ = std::move(replay.changes);
  return Installed{std::move(lease), replay.batches, discarded};
} catch (const std::bad_alloc&) {
  return tl::unexpected<Error>(no_memory());
}

Result<EpochWriter::Installed> EpochWriter::roll_back(const RotationLock& /*lock*/,
                                                      const EpochId& to, bool discard_updates) try {
  const std::lock_guard lock(update_mutex_);
  auto current = epochs_.current();
  if (!current) return no_epoch();
  if (current->epoch().id == to) return Installed{std::move(*current), 0, 0};
  auto target = epochs_.lease(to);
  if (!target) return forward_error(target);
  const std::uint64_t discarded = current->epoch().updates.batches_not_in(target->epoch().updates);
  if (discarded > 0 && !discard_updates) {
    return fail(
        ErrorCode::updates_would_be_lost,
        "going back there takes back " + std::to_string(discarded) +
            " batches; allow it to discard updates, and send them again if they are wanted");
  }
  auto changes = changes_of(target->epoch());
  if (!changes) return forward_error(changes);
  auto prepared = epochs_.prepare(Epoch(target->epoch()));
  if (!prepared) return forward_error(prepared);
  Lease lease = epochs_.roll_back(std::move(*prepared), target->generation().count);
  changes_ = std::move(*changes);
  return Installed{std::move(lease), 0, discarded};
} catch (const std::bad_alloc&) {
  return tl::unexpected<Error>(no_memory());
}

Result<void> EpochWriter::replace(const Epoch& current, Images images, Overlay overlay) {
  Epoch next = current;
  next.images = std::move(images);
  next.overlay = std::move(overlay);
  auto changes = changes_of(next);
  if (!changes) return forward_error(changes);
  auto prepared = epochs_.prepare(std::move(next));
  if (!prepared) return forward_error(prepared);
  epochs_.replace_representation(std::move(*prepared));
  changes_ = std::move(*changes);
  return {};
}

Result<bool> EpochWriter::compact(const RotationLock& /*lock*/) try {
  const auto begin = epochs_.current();
  if (!begin || begin->epoch().overlay.empty()) return false;
  GYRE_FAULT_POINT(compaction_build);
  const Overlay& folded = begin->epoch().overlay;
  Images images;
  for (const auto& image : begin->epoch().images) {
    auto built = image->with_updates(folded);
    if (built) {
      images.push_back(std::move(*built));
    } else if (built.error().code != ErrorCode::device_out_of_memory) {
      return forward_error(built);
    }
    // A device that has no room for two images gets its own when the old one is gone, as after a
    // rotation: else its overlay would be full one day and never be folded.
  }
  if (images.empty()) {
    return fail(ErrorCode::device_out_of_memory, "no image has room to be folded into");
  }
  const std::lock_guard lock(update_mutex_);
  const auto now = epochs_.current();
  auto live = now->epoch().overlay.after(folded);
  if (!live) return forward_error(live);
  if (auto replaced = replace(now->epoch(), std::move(images), std::move(*live)); !replaced) {
    return forward_error(replaced);
  }
  return true;
} catch (const std::bad_alloc&) {
  return tl::unexpected<Error>(no_memory());
}

Result<bool> EpochWriter::replace_images(const RotationLock& /*lock*/, const Image& instead_of,
                                         Images images) try {
  const std::lock_guard lock(update_mutex_);
  const auto now = epochs_.current();
  if (!now || now->epoch().images.front().get() != &instead_of) return false;
  if (auto replaced = replace(now->epoch(), std::move(images), now->epoch().overlay); !replaced) {
    return forward_error(replaced);
  }
  return true;
} catch (const std::bad_alloc&) {
  return tl::unexpected<Error>(no_memory());
}

std::uint64_t EpochWriter::overlay_rows() const {
  const auto now = epochs_.current();
  return now ? now->epoch().overlay.rows() : 0;
}

bool EpochWriter::wants_compaction() const {
  return overlay_rows() >= limits_.compact_at_rows;
}

}  // namespace gyre
