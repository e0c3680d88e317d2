// Lets queries of many requests share passes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/backend.hpp"
#include "core/dpf/key.hpp"
#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/server/memory_budget.hpp"
#include "harness/server/pass_shares.hpp"
#include "harness/server/transport.hpp"

namespace gyre::server {

struct SchedulerLimits {
  PassBounds pass;
  std::size_t max_passes = 2;     // at once, over different images
  std::size_t max_waiting = 512;  // requests that wait for a pass
};

// What a request wants answered. The scheduler owns it, because a pass reads it to its end even if
// the request gives up before.
struct PassRequest {
  Lease lease;
  QueryKind kind = QueryKind::row;
  std::vector<dpf::Key> keys;        // at least one; each fits the epoch and kind
  MemoryBudget::Reservation memory;  // for the answers
  Deadline first_pass_deadline;      // to be in a pass
  Deadline deadline;                 // for all answers
  // Whether nobody waits for the answers any more, or empty. Asked, on any thread, each time before
  // queries of the request would go into a pass, and only while answer() waits. Returns at once,
  // throws nothing.
  std::function<bool()> gone{};
};

struct PassAnswers {
  std::vector<std::byte> bytes;  // in the order of the keys
  MemoryBudget::Reservation memory;
};

// Since the scheduler was made.
struct PassStatistics {
  std::uint64_t passes = 0;
  std::uint64_t queries = 0;        // in them
  std::uint64_t largest_pass = 0;   // queries
  double pass_seconds = 0;          // all passes together
  std::uint64_t failed_passes = 0;  // by the image
  std::uint64_t refused = 0;        // requests for which there was no room to wait
  std::uint64_t late = 0;           // requests whose deadline passed
  std::uint64_t gone = 0;           // requests that nobody waited for any more
};

// Requests whose epochs have the same images share passes, whatever their minor epoch and kind of
// query. Over one set of images one pass runs at a time, because a pass uses every core that the
// backend has: two would only read the same memory twice.
//
// There is no thread of the scheduler's own. A request that finds its images idle runs its pass on
// its own thread at once: no added latency, no handover. Those that come meanwhile wait, and when
// the pass is over the first of them runs the next one for all. So nobody works for others in a
// pass without a query of one's own, and nobody waits longer than for the pass under way and, if
// more wait than a pass holds, those before.
//
// Thread-safe.
class PassScheduler {
 public:
  explicit PassScheduler(SchedulerLimits limits) noexcept;
  ~PassScheduler();
  PassScheduler(const PassScheduler&) = delete;
  PassScheduler& operator=(const PassScheduler&) = delete;

  // Waits for all answers. The lease has ended when this returns; but a request that gives up while
  // others' pass holds queries of its own leaves lease and memory to that pass. Errors: queue_full
  // (no room to wait, or a deadline passed), cancelled (nobody waits), draining (closed),
  // out_of_memory, those of the images: then for all requests in the pass that failed.
  [[nodiscard]] Result<PassAnswers> answer(PassRequest request);

  // From now on no pass begins: requests that wait, or need another pass, end with draining.
  void close() noexcept;

  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] PassStatistics statistics() const;

 private:
  struct Ticket;
  struct Group;
  struct Batch;
  enum class Ending : std::uint8_t;
  using Tickets = std::list<std::shared_ptr<Ticket>>;
  using Groups = std::list<Group>;

  // All of these REQUIRE the lock, but run(), which must not have it.
  [[nodiscard]] Groups::iterator group_of(const Images& images);
  void erase_if_unused(Groups::iterator group) noexcept;
  // Runs a pass, and the next one as long as that is again the ticket's turn.
  void lead(std::unique_lock<std::mutex>& lock, Ticket& own);
  // Ends the requests that nobody waits for, up to where those that are left fill a pass.
  void drop_gone(Group& group) noexcept;
  // Takes the queries of the group's next pass out of its queue. Errors: std::bad_alloc, and then
  // nothing has changed.
  [[nodiscard]] Batch take_batch(Group& group) const;
  // The answers of one pass, to where its requests expect them.
  [[nodiscard]] static Result<void> run(const Batch& batch) noexcept;
  // Ends the batch's requests that have all their answers, or none; the others wait again.
  void settle(Groups::iterator group, Batch& batch, Result<void> outcome) noexcept;
  // Gives the right to run a pass to whoever is next; nobody: it is free. The group may be gone
  // afterwards.
  [[nodiscard]] std::shared_ptr<Ticket> pass_on(Groups::iterator group) noexcept;
  // Out of the queue, with nothing more to come.
  void leave_queue(Ticket& ticket, Ending ending) noexcept;

  const SchedulerLimits limits_;
  mutable std::mutex mutex_;
  Groups groups_;  // those that ran a pass last at the end
  std::size_t passes_ = 0;
  std::size_t waiting_ = 0;
  PassStatistics statistics_;
  bool closed_ = false;
};

}  // namespace gyre::server
