#include "harness/server/pass_scheduler.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
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
  Tickets::iterator place;     // in the group's queue or pass
  std::size_t taken = 0;       // queries that are, or were, in the pass
  std::size_t in_pass = 0;     // of those, the last so many are; not 0: it is in the pass
  std::size_t parts_left = 0;  // for them
  bool leads = false;          // has the right to run the group's next part
  bool abandoned = false;      // nobody waits for it any more
  Ending ending = Ending::none;
  std::shared_ptr<const Result<void>> outcome;  // of the pass that failed
  std::condition_variable changed;
};

// Requests over the same images. It exists as long as one of them waits or is in the pass.
struct PassScheduler::Group {
  std::vector<const Image*> images;  // alive as long as the requests' leases
  std::size_t parts = 1;
  std::size_t next_part = 0;
  Tickets queue;
  Tickets pass;
  bool running = false;  // somebody runs a part, or has been called to
};

// One part of a pass, for those who are in it.
struct PassScheduler::Part {
  std::size_t number = Pass::whole_table;
  std::size_t queries = 0;
  std::vector<Ticket*> tickets;
  std::shared_ptr<Result<void>> outcome;  // so that settling allocates nothing
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
      const auto group = ticket->group;
      if (ticket->in_pass != 0 && group->running) {
        // The part goes on and needs keys, lease and room for the answers.
        ticket->abandoned = true;
        ticket->ending = Ending::late;
      } else {
        Tickets ended;
        leave(*ticket, Ending::late, ended);
        erase_if_unused(group);
      }
    }
  }
  // Read under the lock: who is late in a pass is taken out of it when that has gone on.
  const Ending ending = ticket->ending;
  lock.unlock();
  switch (ending) {
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
  // One of them answers in another's place: what a part is must be the same for all.
  group.parts = images.front()->parts();
  for (const auto& image : images) {
    if (image->parts() != group.parts) group.parts = 1;
  }
  return groups_.insert(groups_.end(), std::move(group));
}

void PassScheduler::erase_if_unused(Groups::iterator group) noexcept {
  if (group->queue.empty() && group->pass.empty() && !group->running) groups_.erase(group);
}

void PassScheduler::leave(Ticket& ticket, Ending ending, Tickets& ended) noexcept {
  ticket.end(ending);
  if (ticket.in_pass != 0) {
    ticket.in_pass = 0;
    ended.splice(ended.end(), ticket.group->pass, ticket.place);
  } else {
    ended.splice(ended.end(), ticket.group->queue, ticket.place);
    --waiting_;
  }
}

void PassScheduler::lead(std::unique_lock<std::mutex>& lock, Ticket& own) {
  while (own.leads) {
    own.leads = false;
    const auto group = own.group;
    Tickets ended;
    Part part;
    leave_gone(*group, ended);
    try {
      // Nobody works for others without a query of one's own: whoever is next leads.
      if (own.ending == Ending::none) part = begin_part(*group);
    } catch (const std::bad_alloc&) {
      leave(own, Ending::out_of_memory, ended);
    }
    if (!part.tickets.empty()) {
      lock.unlock();
      const auto begun = std::chrono::steady_clock::now();
      Result<void> outcome = run(part);
      const double seconds = seconds_since(begun);
      lock.lock();
      statistics_.passes += 1.0 / static_cast<double>(group->parts);
      statistics_.largest_pass = std::max<std::uint64_t>(statistics_.largest_pass, part.queries);
      statistics_.pass_seconds += seconds;
      if (!outcome) ++statistics_.failed_passes;
      settle(*group, part, std::move(outcome), ended);
    }
    if (own.ending == Ending::none && std::chrono::steady_clock::now() >= own.deadline) {
      ++statistics_.late;
      leave(own, Ending::late, ended);
    }
    const auto next = pass_on(group, own);
    // The next part first: its thread need not wait for the others to be told.
    lock.unlock();
    if (next != nullptr) next->changed.notify_one();
    for (const auto& ticket : ended) ticket->changed.notify_one();
    ended.clear();
    lock.lock();
  }
}

void PassScheduler::leave_gone(Group& group, Tickets& ended) noexcept {
  const auto leave_if_gone = [&](Ticket& ticket) {
    if (!ticket.gone || !ticket.gone()) return false;
    ++statistics_.gone;
    leave(ticket, Ending::gone, ended);
    return true;
  };
  std::size_t kept = 0;
  for (auto place = group.pass.begin(); place != group.pass.end();) {
    Ticket& ticket = **place++;
    if (ticket.abandoned) {
      leave(ticket, ticket.ending, ended);
    } else if (!leave_if_gone(ticket)) {
      kept += ticket.in_pass;
    }
  }
  for (auto place = group.queue.begin();
       place != group.queue.end() && kept < limits_.pass.queries;) {
    Ticket& ticket = **place++;
    if (!leave_if_gone(ticket)) ++kept;
  }
}

PassScheduler::Part PassScheduler::begin_part(Group& group) {
  PassLoad load;
  for (const auto& ticket : group.pass) {
    load.queries += ticket->in_pass;
    load.answer_bytes += ticket->in_pass * ticket->answer_bytes;
  }
  const std::size_t most = std::min(
      group.queue.size(), limits_.pass.queries - std::min(limits_.pass.queries, load.queries));
  std::vector<WaitingQueries> waiting;
  waiting.reserve(most);
  for (auto place = group.queue.begin(); waiting.size() < most; ++place) {
    waiting.push_back({(*place)->left(), (*place)->answer_bytes});
  }
  const std::vector<std::size_t> shares = fair_shares(waiting, limits_.pass, load);
  Part part;
  if (group.parts > 1) part.number = group.next_part;
  part.outcome = std::make_shared<Result<void>>();
  part.tickets.reserve(group.pass.size() + most);
  // Nothing fails from here on.
  for (const std::size_t share : shares) {
    if (share == 0) break;  // nor has anybody behind it one
    Ticket& ticket = *group.queue.front();
    ticket.taken += share;
    ticket.in_pass = share;
    ticket.parts_left = group.parts;
    group.pass.splice(group.pass.end(), group.queue, ticket.place);
    --waiting_;
  }
  for (const auto& ticket : group.pass) {
    part.tickets.push_back(ticket.get());
    part.queries += ticket->in_pass;
  }
  return part;
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
    const Pass one{{&query, 1}, pass.part};
    const auto bytes = static_cast<std::size_t>(one.answer_bytes(geometry));
    if (answered = answer_from(images, one, answers.first(bytes)); !answered) return answered;
    answers = answers.subspan(bytes);
  }
  return {};
}

// By words: byte by byte, answers of pages cost milliseconds a pass.
void add_to(std::span<std::byte> answers, const std::byte* more) noexcept {
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= answers.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t sum = 0;
    std::uint64_t addend = 0;
    std::memcpy(&sum, answers.data() + at, sizeof sum);
    std::memcpy(&addend, more + at, sizeof addend);
    sum ^= addend;
    std::memcpy(answers.data() + at, &sum, sizeof sum);
  }
  for (; at < answers.size(); ++at) answers[at] ^= more[at];
}

}  // namespace

Result<void> PassScheduler::run(const Part& part) noexcept try {
  const auto answers_of = [](Ticket& ticket) {
    return std::span(ticket.answers)
        .subspan((ticket.taken - ticket.in_pass) * ticket.answer_bytes,
                 ticket.in_pass * ticket.answer_bytes);
  };
  std::vector<Query> queries;
  queries.reserve(part.queries);
  for (const Ticket* ticket : part.tickets) {
    const Overlay& overlay = ticket->lease->epoch().overlay;
    for (const dpf::Key& key :
         std::span(ticket->keys).subspan(ticket->taken - ticket->in_pass, ticket->in_pass)) {
      queries.push_back(Query{.kind = ticket->kind, .key = &key, .overlay = &overlay});
    }
  }
  Ticket& first = *part.tickets.front();
  // The same images for all of them.
  const Epoch& epoch = first.lease->epoch();
  const Pass pass{queries, part.number};
  if (part.tickets.size() == 1 && part.number == Pass::whole_table) {
    return answer_thriftily(epoch.images, pass, answers_of(first));
  }
  std::vector<std::byte> together(
      static_cast<std::size_t>(pass.answer_bytes(epoch.metadata.geometry)));
  if (auto answered = answer_thriftily(epoch.images, pass, together); !answered) return answered;
  const std::byte* from = together.data();
  for (Ticket* ticket : part.tickets) {
    const std::span<std::byte> to = answers_of(*ticket);
    add_to(to, from);
    from += to.size();
  }
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "the server has not enough memory for this pass");
} catch (const std::exception&) {
  return fail(ErrorCode::internal, "a pass ended in a way that it should not");
}

void PassScheduler::settle(Group& group, const Part& part, Result<void> outcome,
                           Tickets& ended) noexcept {
  *part.outcome = std::move(outcome);
  group.next_part = (group.next_part + 1) % group.parts;
  for (auto place = group.pass.begin(); place != group.pass.end();) {
    Ticket& ticket = **place++;
    if (ticket.abandoned) {
      leave(ticket, ticket.ending, ended);
    } else if (!*part.outcome) {
      ticket.outcome = part.outcome;
      leave(ticket, Ending::failed, ended);
    } else if (--ticket.parts_left == 0) {
      statistics_.queries += ticket.in_pass;
      if (ticket.left() == 0) {
        leave(ticket, Ending::answered, ended);
      } else if (closed_) {
        leave(ticket, Ending::closed, ended);
      } else {
        ticket.in_pass = 0;
        group.queue.splice(group.queue.end(), group.pass, ticket.place);
        ++waiting_;
      }
    }
  }
}

std::shared_ptr<PassScheduler::Ticket> PassScheduler::pass_on(Groups::iterator group,
                                                              const Ticket& own) noexcept {
  group->running = false;
  groups_.splice(groups_.end(), groups_, group);
  const auto next = std::find_if(groups_.begin(), groups_.end(), [](const Group& candidate) {
    return !candidate.running && !(candidate.queue.empty() && candidate.pass.empty());
  });
  std::shared_ptr<Ticket> called;
  if (next == groups_.end()) {
    --passes_;
  } else {
    next->running = true;
    if (next->pass.empty()) {
      called = next->queue.front();
    } else {
      called = next == group && own.in_pass != 0 ? *own.place : next->pass.front();
    }
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
