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
  // queries of the request would go into a part of a pass, and only while answer() waits. Returns
  // at once, throws nothing.
  std::function<bool()> gone{};
};

struct PassAnswers {
  std::vector<std::byte> bytes;  // in the order of the keys
  MemoryBudget::Reservation memory;
};

// Since the scheduler was made.
struct PassStatistics {
  double passes = 0;                // readings of a table: one of n parts counts as 1 / n
  std::uint64_t queries = 0;        // that were in a whole pass
  std::uint64_t largest_pass = 0;   // queries in one part
  double pass_seconds = 0;          // all passes together
  std::uint64_t failed_passes = 0;  // by the image, in some part
  std::uint64_t refused = 0;        // requests for which there was no room to wait
  std::uint64_t late = 0;           // requests whose deadline passed
  std::uint64_t gone = 0;           // requests that nobody waited for any more
};

// Requests whose epochs have the same images share passes, whatever their minor epoch and kind of
// query. Over one set of images one pass runs at a time, because a pass uses every core that the
// backend has: two would only read the same memory twice.
//
// A pass goes round: where images have parts it reads one after another, and before each takes in
// who waits, as far as there is room. A query is done when it was in every part once, whichever
// came first. So a query waits for a part, not for the pass under way, and a pass is as full as
// there are queries, however they come. Where images have one part, those who come during a pass
// share the next.
//
// There is no thread of the scheduler's own. A request that finds its images idle runs its pass on
// its own thread at once: no added latency, no handover. Those that come meanwhile wait, and who
// has run the pass until its own queries were done hands it to one of those that are in it, or else
// to the first of those who wait. So nobody works for others in a part without a query of one's
// own.
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
  struct Part;
  enum class Ending : std::uint8_t;
  using Tickets = std::list<std::shared_ptr<Ticket>>;
  using Groups = std::list<Group>;

  // All of these REQUIRE the lock, but run(), which must not have it.
  [[nodiscard]] Groups::iterator group_of(const Images& images);
  void erase_if_unused(Groups::iterator group) noexcept;
  // Runs a part, and the next one as long as that is again the ticket's turn.
  void lead(std::unique_lock<std::mutex>& lock, Ticket& own);
  // Ends the requests that nobody waits for: all in the pass, and of those who wait as many as it
  // takes for those left to fill it. They are put to the `ended`.
  void leave_gone(Group& group, Tickets& ended) noexcept;
  // Takes in who waits, as far as there is room, and says what the next part has to do. Errors:
  // std::bad_alloc, and then nothing has changed.
  [[nodiscard]] Part begin_part(Group& group);
  // Adds the answers of one part to what its requests have.
  [[nodiscard]] static Result<void> run(const Part& part) noexcept;
  // Ends the requests that have all their answers, or none, and puts them to the `ended`; those
  // that have more queries than were in the pass wait again.
  void settle(Group& group, const Part& part, Result<void> outcome, Tickets& ended) noexcept;
  // Gives the right to run a part to whoever is next, to `own` if it can be; nobody: it is free.
  // The group may be gone afterwards.
  [[nodiscard]] std::shared_ptr<Ticket> pass_on(Groups::iterator group, const Ticket& own) noexcept;
  // Out of the queue or the pass, whose part must not be running, with nothing more to come.
  void leave(Ticket& ticket, Ending ending, Tickets& ended) noexcept;

  const SchedulerLimits limits_;
  mutable std::mutex mutex_;
  Groups groups_;  // those that ran a pass last at the end
  std::size_t passes_ = 0;
  std::size_t waiting_ = 0;
  PassStatistics statistics_;
  bool closed_ = false;
};

}  // namespace gyre::server
