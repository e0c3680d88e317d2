// The one place where epochs are made: applies batches, installs bases, compacts, rolls back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <utility>

#include "core/digest.hpp"
#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/row_changes.hpp"
#include "core/update_batch.hpp"

namespace gyre {

struct WriterLimits {
  std::uint64_t max_overlay_rows = 1U << 18U;               // then overlay_full
  std::uint64_t compact_at_rows = 1U << 16U;                // of an overlay
  std::uint64_t max_log_bytes = std::uint64_t{256} << 20U;  // of batches kept for replay
  std::uint64_t resend_window = 1024;                       // batches known when sent again
};

// Thread-safe. Publishing order is the order of the calls' returns; readers of the table never
// wait.
class EpochWriter {
 public:
  // `epochs` must outlive the writer and have no other writer; an epoch that it has already is gone
  // on from. Throws std::bad_alloc.
  EpochWriter(EpochTable& epochs, Sha256 sha256, WriterLimits limits);

  struct Applied {
    EpochId id;                    // of the epoch the batch made when it was accepted
    std::uint64_t rows = 0;        // of the batch, in the current table
    bool resent = false;           // it had been accepted before; nothing was done
    std::uint64_t generation = 0;  // with which it became current, in this boot; none if resent
  };
  // Publishes the batch whole as one minor epoch, or not at all; O(rows of the batch). A batch
  // without rows for the current table moves the feed on. Errors: no_epoch, malformed_request,
  // sequence_gap (the sentence names the expected number), sequence_conflict, overlay_full,
  // out_of_memory.
  [[nodiscard]] Result<Applied> apply(const UpdateBatch& batch);

  // The right to replace images. One at a time; batches go on meanwhile.
  class RotationLock;
  // Waits up to `patience`. Errors: rotation_in_progress, cancelled.
  [[nodiscard]] Result<RotationLock> lock_rotation(std::chrono::milliseconds patience,
                                                   const std::stop_token& stop = {});

  struct Base {
    Bytes32 content_id{};
    Metadata metadata;
    Images images;  // the preferred first
  };
  struct Installed {
    Lease lease;                  // the new epoch
    std::uint64_t replayed = 0;   // batches after the base's as_of_seq, by their part for its table
    std::uint64_t discarded = 0;  // batches that it does not have
  };
  // Makes the base current, with every accepted batch after its as_of_seq on top: all of them, or,
  // where one cannot be replayed and updates may be discarded, none. Discarded batches were never
  // accepted: the feed goes back to as_of_seq, and the next one has the number after it. A base
  // that is ahead moves the feed there. `commit` runs when nothing else can fail any more, and the
  // publish follows if it succeeds. Batches wait only while what came during the call is replayed
  // and committed. Errors: updates_would_be_lost, wrong_epoch_content, overlay_full, out_of_memory,
  // those of `commit`. After an error nothing has changed.
  [[nodiscard]] Result<Installed> install(
      const RotationLock& lock, Base base, bool discard_updates,
      const std::function<Result<void>()>& commit = [] { return Result<void>(); });

  // Makes a retained epoch current again, with a new generation; the one it replaces is gone, and
  // so are all others that stand on batches it takes back. Errors: epoch_gone, no_epoch,
  // updates_would_be_lost, out_of_memory.
  [[nodiscard]] Result<Installed> roll_back(const RotationLock& lock, const EpochId& to,
                                            bool discard_updates);

  // Folds the current overlay into new images and sets later batches on top of those; no id and no
  // generation changes. An image on a device that has no room for another is left out: it is
  // promoted again when the old one is gone. Whether there was anything to fold. Errors: the
  // images', out_of_memory.
  [[nodiscard]] Result<bool> compact(const RotationLock& lock);

  // Puts `images` in place of those of the current epoch and of all later ones on the same base,
  // if `instead_of` is still the first image of the current epoch. They hold the same content
  // without the overlay. Whether it was. Errors: wrong_epoch_content, out_of_memory.
  [[nodiscard]] Result<bool> replace_images(const RotationLock& lock, const Image& instead_of,
                                            Images images);

  [[nodiscard]] bool wants_compaction() const;
  [[nodiscard]] std::uint64_t overlay_rows() const;
  [[nodiscard]] const WriterLimits& limits() const noexcept { return limits_; }

 private:
  // A base's epoch on its way, and how far the feed is in it.
  struct Replay;
  // Adds the logged batches after the replay's feed position, up to `seq`. Errors: as install().
  [[nodiscard]] Result<void> replay(const UpdateLog& log, std::uint64_t seq, Replay& replay) const;
  [[nodiscard]] Result<void> take_over(const Epoch& current, bool discard_updates,
                                       Replay& replay) const;
  // REQUIRES: the update lock. The current epoch with other images and overlay, in its place.
  [[nodiscard]] Result<void> replace(const Epoch& current, Images images, Overlay overlay);
  [[nodiscard]] Result<RowChanges> changes_of(const Epoch& epoch) const;
  // The batch as it would change the current rows.
  [[nodiscard]] Result<OverlayBatch> differences(const Epoch& current, std::uint64_t seq,
                                                 const TableUpdate& part);
  void unlock_rotation() noexcept;

  EpochTable& epochs_;
  const Sha256 sha256_;
  const WriterLimits limits_;

  std::mutex rotation_mutex_;
  std::condition_variable_any rotation_over_;
  bool rotating_ = false;

  std::mutex update_mutex_;  // of every change of the table but expiry, and of what follows
  RowChanges changes_;       // of the current epoch's overlay
};

// Ends with its life.
class EpochWriter::RotationLock {
 public:
  RotationLock(RotationLock&& other) noexcept : writer_(std::exchange(other.writer_, nullptr)) {}
  RotationLock& operator=(RotationLock&&) = delete;
  ~RotationLock() {
    if (writer_ != nullptr) writer_->unlock_rotation();
  }

 private:
  friend class EpochWriter;
  explicit RotationLock(EpochWriter& writer) noexcept : writer_(&writer) {}
  EpochWriter* writer_;
};

}  // namespace gyre
