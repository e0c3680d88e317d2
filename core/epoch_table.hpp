// Which epoch is current and which earlier ones are retained: one immutable value, swapped once.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "core/epoch.hpp"
#include "core/error.hpp"
#include "core/retirer.hpp"

namespace gyre {

// Bounds on earlier epochs held for clients that saw them. An epoch is dropped as soon as it
// exceeds one.
struct RetentionPolicy {
  std::size_t retain_epochs = 64;       // earlier epochs, over all bases
  std::chrono::seconds retain_for{60};  // since an epoch stopped being current
  std::size_t retain_bases = 1;         // bases other than the current one
};

// One of the things that a shared count counts, from its creation to its end. Copies count too.
class Counted {
 public:
  using Count = std::shared_ptr<std::atomic<std::size_t>>;

  explicit Counted(Count count) noexcept : count_(std::move(count)) { add(); }
  Counted(const Counted& other) noexcept : count_(other.count_) { add(); }
  Counted(Counted&&) noexcept = default;
  Counted& operator=(Counted other) noexcept {
    count_.swap(other.count_);
    return *this;
  }
  ~Counted() {
    if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  void add() const noexcept {
    if (count_ != nullptr) count_->fetch_add(1, std::memory_order_relaxed);
  }
  Count count_;
};

// Shared ownership of the epoch a query answers from. Cheap to copy. An epoch and its images live
// until the last lease ends, and are then destroyed on the retire thread.
class Lease {
 public:
  [[nodiscard]] const Epoch& epoch() const noexcept { return published_->epoch; }
  [[nodiscard]] const Generation& generation() const noexcept { return published_->generation; }
  [[nodiscard]] std::chrono::system_clock::time_point published_at() const noexcept {
    return published_->published_at;
  }

 private:
  friend class EpochTable;
  Lease(std::shared_ptr<const PublishedEpoch> published, Counted::Count leases) noexcept
      : published_(std::move(published)), counted_(std::move(leases)) {}
  std::shared_ptr<const PublishedEpoch> published_;
  Counted counted_;
};

struct CurrentEpoch {};
using EpochChoice = std::variant<CurrentEpoch, EpochId>;

// Thread-safety: everything may be called from any thread. Publishing is meant for one writer at a
// time (the holder of the rotation or update lock); two at once are still safe, their order is the
// lock's.
class EpochTable {
 public:
  // `retirer` must outlive the table and every lease.
  EpochTable(std::string boot, RetentionPolicy policy, Retirer& retirer);
  ~EpochTable();
  EpochTable(const EpochTable&) = delete;
  EpochTable& operator=(const EpochTable&) = delete;

  // An epoch together with all memory that making it visible will need. Dropped unused, it leaves
  // no trace.
  class Prepared;

  // The last step that can fail. Errors: out_of_memory, wrong_epoch_content (no image, or an image
  // of another geometry than the metadata's).
  [[nodiscard]] Result<Prepared> prepare(Epoch epoch);

  // Makes the epoch current with the next generation and retains the one before, in one swap.
  // Cannot fail. A lease on it.
  Lease publish(Prepared prepared) noexcept;

  // Makes an epoch of an earlier generation current again, with the next generation; every epoch of
  // a later generation than that earlier one is gone. Cannot fail.
  Lease roll_back(Prepared prepared, std::uint64_t earlier_generation) noexcept;

  // Replaces the images of the epoch of the same id, current or retained, by others of the same
  // content: same generation, no event. Does nothing if that epoch is gone. Cannot fail.
  void replace_representation(Prepared prepared) noexcept;

  // Errors: no_epoch before the first publish; epoch_gone for an id that is neither current nor
  // retained.
  [[nodiscard]] Result<Lease> lease(const EpochChoice& choice) const;

  // The current epoch, for those who make the next one; nothing before the first publish.
  [[nodiscard]] std::optional<Lease> current() const noexcept;

  // Current first, then retained from the newest to the oldest; empty before the first publish. One
  // instant.
  [[nodiscard]] std::vector<Lease> snapshot() const;

  // Drops retained epochs that outlived the policy. Call now and then.
  void expire(std::chrono::steady_clock::time_point now) noexcept;

  // Drops retained epochs of other bases than the current one's, so that their images' memory comes
  // back as soon as no lease needs them.
  void drop_other_bases() noexcept;

  // Waits until an epoch of a later generation than that has been published; false if the deadline
  // passed or `stop` was requested first.
  [[nodiscard]] bool wait_newer(std::uint64_t count, std::chrono::steady_clock::time_point deadline,
                                const std::stop_token& stop) const;

  [[nodiscard]] const std::string& boot() const noexcept { return boot_; }

  // How many leases are held right now, those on epochs included that the table has let go.
  [[nodiscard]] std::size_t leases() const noexcept {
    return leases_->load(std::memory_order_relaxed);
  }

 private:
  class Held;
  struct Retained;
  struct State;

  std::shared_ptr<const State> state() const noexcept;
  Result<std::shared_ptr<State>> allocate_state() const;
  Result<std::shared_ptr<State>> allocate_shorter_state() const;
  // Which of the epochs published before stay, as far as the policy lets them.
  struct Keep {
    std::uint64_t up_to_generation = std::numeric_limits<std::uint64_t>::max();
    bool other_bases = true;
  };
  // Makes the prepared epoch current.
  Lease make_current(Prepared prepared, const Keep& keep) noexcept;
  // Lets retained epochs go.
  void let_go(const Keep& keep, std::chrono::steady_clock::time_point now) noexcept;
  // Copies into `next`, whose current epoch is set, what is still held of `before`.
  void carry_over(const State& before, const Keep& keep, State& next,
                  std::chrono::steady_clock::time_point now) const noexcept;

  const std::string boot_;
  const RetentionPolicy policy_;
  Retirer& retirer_;
  const Counted::Count leases_ = std::make_shared<std::atomic<std::size_t>>(0);

  // A short mutex around one pointer: g++ 12's std::atomic<std::shared_ptr> is reported as a race
  // by the thread sanitizer. It is never held while anything is allocated, destroyed or computed.
  mutable std::mutex mutex_;
  mutable std::condition_variable_any published_;
  std::shared_ptr<const State> state_;
};

class EpochTable::Prepared {
 public:
  Prepared(Prepared&&) noexcept = default;
  Prepared& operator=(Prepared&&) noexcept = default;
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  ~Prepared() = default;

  [[nodiscard]] const Epoch& epoch() const noexcept;

 private:
  friend class EpochTable;
  Prepared(std::shared_ptr<Held> held, std::shared_ptr<State> state) noexcept
      : held_(std::move(held)), state_(std::move(state)) {}

  std::shared_ptr<Held> held_;
  std::shared_ptr<State> state_;
};

}  // namespace gyre
