#include "harness/server/pass_scheduler.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "core/answer_from.hpp"
#include "core/elapsed.hpp"
#include "core/epoch.hpp"

namespace gyre::server {

enum class PassScheduler::Ending : std::uint8_t {
  none,  // not yet
  answered,
  failed,  // its pass did
  late,
  gone,
  closed,
  out_of_memory,  // before its pass
};

// One request. Its own thread and the one that runs its pass hold it.
struct PassScheduler::Ticket {
  explicit Ticket(PassRequest request)
      : lease(std::move(request.lease)),
        kind(request.kind),
        answer_bytes(static_cast<std::size_t>(lease->epoch().metadata.geometry.answer_bytes(kind))),
        keys(std::move(request.keys)),
        answers(keys.size() * answer_bytes),
        memory(std::move(request.memory)),
        first_pass_deadline(request.first_pass_deadline),
        deadline(request.deadline),
        gone(std::move(request.gone)) {}

  [[nodiscard]] std::size_t left() const noexcept { return keys.size() - taken; }
  [[nodiscard]] Deadline patience() const noexcept {
    return taken == 0 ? std::min(first_pass_deadline, deadline) : deadline;
  }
  void end(Ending how) noexcept {
    ending = how;
    lease.reset();
  }

  std::optional<Lease> lease;  // until the ending
  const QueryKind kind;
  const std::size_t answer_bytes;  // of one query
  const std::vector<dpf::Key> keys;
  std::vector<std::byte> answers;  // while a pass holds queries of it, that pass's to write
  MemoryBudget::Reservation memory;
  const Deadline first_pass_deadline;
  const Deadline deadline;
  const std::function<bool()> gone;

  // Under the scheduler's lock.
  Groups::iterator group;
  Tickets::iterator place;  // in the group's queue, if it waits
  std::size_t taken = 0;    // queries that are, or were, in passes
  bool in_pass = false;
  bool leads = false;      // has the right to run the group's next pass
  bool abandoned = false;  // nobody waits for it any more
  Ending ending = Ending::none;
  std::shared_ptr<const Result<void>> outcome;  // of the pass that failed
  std::condition_variable changed;
};

// Requests over the same images. It exists as long as one of them waits or a pass runs.
struct PassScheduler::Group {
  std::vector<const Image*> images;  // alive as long as the requests' leases
  Tickets queue;
  bool running = false;  // somebody runs a pass, or has been called to
};

// The queries of one pass.
struct PassScheduler::Batch {
  struct Slice {
    Ticket* ticket;
    std::size_t first;
    std::size_t count;
  };
  std::vector<Slice> slices;
  std::size_t queries = 0;
  std::shared_ptr<Result<void>> outcome;  // so that settling allocates nothing
  Tickets tickets;                        // those of the slices
};

PassScheduler::PassScheduler(SchedulerLimits limits) noexcept : limits_(limits) {}

PassScheduler::~PassScheduler() = default;

Result<PassAnswers> PassScheduler::answer(PassRequest request) try {
  auto ticket = std::make_shared<Ticket>(std::move(request));
  Tickets place;
  place.push_back(ticket);

  std::unique_lock lock(mutex_);
  if (closed_) ticket->end(Ending::closed);
  if (ticket->ending == Ending::none) {
    const auto group = group_of(ticket->lease->epoch().images);
    // Free while nobody waits: whoever gives a right up gives it to who waits.
    const bool idle = !group->running && passes_ < limits_.max_passes;
    if (!idle && waiting_ >= limits_.max_waiting) {
      erase_if_unused(group);
      ++statistics_.refused;
      ticket->lease.reset();
      return fail(ErrorCode::queue_full, "as many queries wait as this server accepts; try again");
    }
    ticket->group = group;
    ticket->place = place.begin();
    group->queue.splice(group->queue.end(), place);
    ++waiting_;
    if (idle) {
      ++passes_;
      group->running = true;
      ticket->leads = true;
    }
  }
  for (;;) {
    if (ticket->leads) {
      lead(lock, *ticket);
    } else if (ticket->ending != Ending::none) {
      break;
    } else {
      ticket->changed.wait_until(lock, ticket->patience());
      if (ticket->leads || ticket->ending != Ending::none) continue;
      if (std::chrono::steady_clock::now() < ticket->patience()) continue;
      ++statistics_.late;
      if (ticket->in_pass) {
        // The pass goes on and needs keys, lease and room for the answers.
        ticket->abandoned = true;
        ticket->ending = Ending::late;
      } else {
        const auto group = ticket->group;
        leave_queue(*ticket, Ending::late);
        erase_if_unused(group);
      }
    }
  }
  lock.unlock();
  switch (ticket->ending) {
    case Ending::answered:
      return PassAnswers{std::move(ticket->answers), std::move(ticket->memory)};
    case Ending::failed:
      return tl::unexpected<Error>(ticket->outcome->error());
    case Ending::gone:
      return fail(ErrorCode::cancelled, "the client went away");
    case Ending::closed:
      return fail(ErrorCode::draining, "this server is shutting down; ask another time");
    case Ending::out_of_memory:
      return fail(ErrorCode::out_of_memory, "the server has not enough memory for this query");
    case Ending::late:
    case Ending::none:
      break;
  }
  return fail(ErrorCode::queue_full,
              "the answers did not come in time; try again, with fewer keys at once");
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "the server has not enough memory for this query");
}

PassScheduler::Groups::iterator PassScheduler::group_of(const Images& images) {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
    return std::equal(group.images.begin(), group.images.end(), images.begin(), images.end(),
                      [](const Image* known, const auto& image) { return known == image.get(); });
  });
  if (found != groups_.end()) return found;
  Group group;
  for (const auto& image : images) group.images.push_back(image.get());
  return groups_.insert(groups_.end(), std::move(group));
}

void PassScheduler::erase_if_unused(Groups::iterator group) noexcept {
  if (group->queue.empty() && !group->running) groups_.erase(group);
}

void PassScheduler::leave_queue(Ticket& ticket, Ending ending) noexcept {
  ticket.end(ending);
  ticket.group->queue.erase(ticket.place);
  --waiting_;
}

void PassScheduler::lead(std::unique_lock<std::mutex>& lock, Ticket& own) {
  while (own.leads) {
    own.leads = false;
    const auto group = own.group;
    Batch batch;
    drop_gone(*group);
    try {
      // Nobody works for others without a query of one's own: whoever is next leads.
      if (own.ending == Ending::none) batch = take_batch(*group);
    } catch (const std::bad_alloc&) {
      leave_queue(own, Ending::out_of_memory);
    }
    if (!batch.slices.empty()) {
      waiting_ -= batch.tickets.size();
      lock.unlock();
      const auto begun = std::chrono::steady_clock::now();
      Result<void> outcome = run(batch);
      const double seconds = seconds_since(begun);
      lock.lock();
      ++statistics_.passes;
      statistics_.queries += batch.queries;
      statistics_.largest_pass = std::max<std::uint64_t>(statistics_.largest_pass, batch.queries);
      statistics_.pass_seconds += seconds;
      if (!outcome) ++statistics_.failed_passes;
      settle(group, batch, std::move(outcome));
    }
    if (own.ending == Ending::none && std::chrono::steady_clock::now() >= own.deadline) {
      ++statistics_.late;
      leave_queue(own, Ending::late);
    }
    const auto next = pass_on(group);
    // The next pass first: its thread need not wait for the others to be told.
    lock.unlock();
    if (next != nullptr) next->changed.notify_one();
    for (const auto& ended : batch.tickets) ended->changed.notify_one();
    batch.tickets.clear();
    lock.lock();
  }
}

void PassScheduler::drop_gone(Group& group) noexcept {
  std::size_t kept = 0;
  for (auto place = group.queue.begin();
       place != group.queue.end() && kept < limits_.pass.queries;) {
    Ticket& ticket = **place++;
    if (!ticket.gone || !ticket.gone()) {
      ++kept;
      continue;
    }
    ++statistics_.gone;
    // Its thread holds it, and wakes once the lock is free.
    leave_queue(ticket, Ending::gone);
    ticket.changed.notify_one();
  }
}

PassScheduler::Batch PassScheduler::take_batch(Group& group) const {
  Batch batch;
  batch.outcome = std::make_shared<Result<void>>();
  const std::size_t most = std::min(group.queue.size(), limits_.pass.queries);
  std::vector<WaitingQueries> waiting;
  waiting.reserve(most);
  for (auto place = group.queue.begin(); waiting.size() < most; ++place) {
    waiting.push_back({(*place)->left(), (*place)->answer_bytes});
  }
  const std::vector<std::size_t> shares = fair_shares(waiting, limits_.pass);
  batch.slices.reserve(most);
  for (auto place = group.queue.begin(); batch.slices.size() < most; ++place) {
    const std::size_t share = shares[batch.slices.size()];
    if (share == 0) break;  // nor has anybody behind it one
    batch.slices.push_back({place->get(), (*place)->taken, share});
    batch.queries += share;
  }
  // Nothing fails from here on.
  for (const Batch::Slice& slice : batch.slices) {
    slice.ticket->taken += slice.count;
    slice.ticket->in_pass = true;
    batch.tickets.splice(batch.tickets.end(), group.queue, slice.ticket->place);
  }
  return batch;
}

namespace {

// The pass at once or, where there is no memory for what many queries need together, one query
// after another: slow, but beside a rotation that leaves little memory they are answered all the
// same.
Result<void> answer_thriftily(const Images& images, const Pass& pass,
                              std::span<std::byte> answers) {
  auto answered = answer_from(images, pass, answers);
  if (answered || answered.error().code != ErrorCode::out_of_memory || pass.queries.size() == 1) {
    return answered;
  }
  const Geometry& geometry = images.front()->geometry();
  for (const Query& query : pass.queries) {
    const Pass one{{&query, 1}};
    const auto bytes = static_cast<std::size_t>(one.answer_bytes(geometry));
    if (answered = answer_from(images, one, answers.first(bytes)); !answered) return answered;
    answers = answers.subspan(bytes);
  }
  return {};
}

}  // namespace

Result<void> PassScheduler::run(const Batch& batch) noexcept try {
  const auto answers_of = [](const Batch::Slice& slice) {
    return std::span(slice.ticket->answers)
        .subspan(slice.first * slice.ticket->answer_bytes,
                 slice.count * slice.ticket->answer_bytes);
  };
  std::vector<Query> queries;
  queries.reserve(batch.queries);
  for (const Batch::Slice& slice : batch.slices) {
    const Overlay& overlay = slice.ticket->lease->epoch().overlay;
    for (const dpf::Key& key : std::span(slice.ticket->keys).subspan(slice.first, slice.count)) {
      queries.push_back(Query{.kind = slice.ticket->kind, .key = &key, .overlay = &overlay});
    }
  }
  const Batch::Slice& first = batch.slices.front();
  // The same images for all of them.
  const Epoch& epoch = first.ticket->lease->epoch();
  const Pass pass{queries};
  if (batch.slices.size() == 1) return answer_thriftily(epoch.images, pass, answers_of(first));

  std::vector<std::byte> together(
      static_cast<std::size_t>(pass.answer_bytes(epoch.metadata.geometry)));
  if (auto answered = answer_thriftily(epoch.images, pass, together); !answered) return answered;
  auto from = together.begin();
  for (const Batch::Slice& slice : batch.slices) {
    const auto to = answers_of(slice);
    std::copy_n(from, to.size(), to.begin());
    from += static_cast<std::ptrdiff_t>(to.size());
  }
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "the server has not enough memory for this pass");
} catch (const std::exception&) {
  return fail(ErrorCode::internal, "a pass ended in a way that it should not");
}

void PassScheduler::settle(Groups::iterator group, Batch& batch, Result<void> outcome) noexcept {
  *batch.outcome = std::move(outcome);
  for (const Batch::Slice& slice : batch.slices) {
    Ticket& ticket = *slice.ticket;
    ticket.in_pass = false;
    if (ticket.abandoned) {
      ticket.lease.reset();
    } else if (!*batch.outcome) {
      ticket.outcome = batch.outcome;
      ticket.end(Ending::failed);
    } else if (ticket.left() == 0) {
      ticket.end(Ending::answered);
    } else if (closed_) {
      ticket.end(Ending::closed);
    } else {
      group->queue.splice(group->queue.end(), batch.tickets, ticket.place);
      ++waiting_;
    }
  }
}

std::shared_ptr<PassScheduler::Ticket> PassScheduler::pass_on(Groups::iterator group) noexcept {
  group->running = false;
  groups_.splice(groups_.end(), groups_, group);
  const auto next = std::find_if(groups_.begin(), groups_.end(), [](const Group& candidate) {
    return !candidate.running && !candidate.queue.empty();
  });
  std::shared_ptr<Ticket> called;
  if (next == groups_.end()) {
    --passes_;
  } else {
    next->running = true;
    called = next->queue.front();
    called->leads = true;
  }
  erase_if_unused(group);
  return called;
}

void PassScheduler::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto group = groups_.begin(); group != groups_.end();) {
    for (const auto& ticket : group->queue) {
      ticket->end(Ending::closed);
      ticket->changed.notify_one();
    }
    waiting_ -= group->queue.size();
    group->queue.clear();
    erase_if_unused(group++);
  }
}

std::size_t PassScheduler::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

PassStatistics PassScheduler::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace gyre::server
