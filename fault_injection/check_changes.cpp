#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "fault_injection/findings.hpp"

namespace gyre::fault_injection {
namespace {

// Whether it may have made another epoch current. Compaction and promotion never do: they change
// where an epoch is, not what it is.
bool may_have_published(const Change& change) {
  return !change.error && change.kind != Change::Kind::compaction &&
         change.kind != Change::Kind::promotion;
}

bool is_new_to(const Look& before, const Look::Held& held) {
  return std::none_of(before.held.begin(), before.held.end(), [&](const Look::Held& other) {
    return other.id == held.id && other.generation == held.generation;
  });
}

bool same_epoch(const Look::Held& a, const Look::Held& b) {
  return a.id == b.id && a.generation == b.generation && a.content_id == b.content_id &&
         a.metadata == b.metadata && a.rows_digest == b.rows_digest;
}

std::uint64_t seq_of(const Look& look) {
  return look.held.front().id.seq;
}

// The changes that may have happened between two looks.
std::vector<const Change*> between(const History& history, const Look& first, const Look& second) {
  const Span all{first.time.begin, second.time.end};
  std::vector<const Change*> changes;
  for (const Change& change : history.changes) {
    if (change.server == first.server && change.time.overlaps(all)) changes.push_back(&change);
  }
  return changes;
}

// How many acknowledged batches lie between the feed position of the second look and that of the
// first: those that went missing. A base may have moved the feed on without any.
std::uint64_t acknowledged_between(const History& history, const Look& first, const Look& second) {
  std::set<std::uint64_t> numbers;
  for (const Change& change : history.changes) {
    if (change.server != first.server || change.kind != Change::Kind::batch || change.error ||
        !change.epoch) {
      continue;
    }
    if (change.time.before(first.time) && change.seq <= seq_of(first) &&
        change.seq > seq_of(second)) {
      numbers.insert(change.seq);
    }
  }
  return numbers.size();
}

// I5 and I6 of two looks, one right after the other.
void check_pair(const Findings& findings, const Look& first, const Look& second) {
  if (first.held.empty() || second.held.empty()) {
    if (!first.held.empty()) {
      findings.add(Invariant::all_or_nothing, "a server without an epoch, and it had one",
                   {findings.text(first), findings.text(second)});
    }
    return;
  }
  const auto changes = between(findings.history, first, second);
  std::vector<std::string> events = {findings.text(first)};
  for (const Change* change : changes) events.push_back(findings.text(*change));
  events.push_back(findings.text(second));

  std::uint64_t discarded = 0;
  bool nothing_published = true;
  for (const Change* change : changes) {
    nothing_published = nothing_published && !may_have_published(*change);
    discarded += change->discarded;
  }
  if (nothing_published) {
    // Earlier epochs may go at any time, none may come.
    const bool more = std::any_of(second.held.begin(), second.held.end(),
                                  [&](const auto& held) { return is_new_to(first, held); });
    if (more || !same_epoch(first.held.front(), second.held.front())) {
      findings.add(Invariant::all_or_nothing,
                   "changes that failed, or publish nothing, left something behind", events);
    }
  }
  if (acknowledged_between(findings.history, first, second) > discarded) {
    findings.add(Invariant::nothing_lost, "the feed went back further than anybody reported",
                 events);
  }
}

void check_looks(const Findings& findings) {
  std::map<unsigned, const Look*> last;
  std::map<std::pair<unsigned, std::string>, const Look*> baselines;
  for (const Look& look : findings.history.looks) {
    if (const auto before = last.find(look.server);
        before != last.end() && before->second->time.before(look.time)) {
      check_pair(findings, *before->second, look);
    }
    last[look.server] = &look;
    if (look.baseline.empty()) continue;
    const auto [baseline, is_new] = baselines.try_emplace({look.server, look.baseline}, &look);
    if (is_new || baseline->second->memory == look.memory) continue;
    findings.add(Invariant::no_leak, "memory in use did not come back to what it was",
                 {findings.text(*baseline->second), findings.text(look)});
  }
}

// I5: the next clean one succeeds. I8 for those who change: each has an end.
void check_ends(const Findings& findings) {
  for (const Change& change : findings.history.changes) {
    if (!change.time.end) {
      findings.add(Invariant::alive, "a change that never ended", {findings.text(change)});
    } else if (change.must_succeed && change.error) {
      findings.add(Invariant::all_or_nothing, "a change fails that nothing stood against",
                   {findings.text(change)});
    }
  }
}

// Whether batches were reported as discarded by something that may lie between the two.
bool reported_discard(const History& history, unsigned server, const Span& from, const Span& to) {
  return std::any_of(history.changes.begin(), history.changes.end(), [&](const Change& change) {
    return change.server == server && change.discarded > 0 && !change.time.before(from) &&
           !to.before(change.time);
  });
}

// I6: an acknowledged batch is in every later epoch.
void check_acknowledged(const Findings& findings, const Change& batch) {
  const History& history = findings.history;
  for (const Look& look : history.looks) {
    if (look.server != batch.server || !batch.time.before(look.time) || look.held.empty()) continue;
    if (seq_of(look) >= batch.seq) continue;
    if (reported_discard(history, batch.server, batch.time, look.time)) continue;
    findings.add(Invariant::nothing_lost, "an acknowledged batch is gone, and nobody said so",
                 {findings.text(batch), findings.text(look)});
    return;
  }
  for (const Change& other : history.changes) {
    if (other.server != batch.server || other.kind != Change::Kind::batch || other.error) continue;
    if (!batch.time.before(other.time) || other.seq != batch.seq || !other.epoch) continue;
    // The same batch again is answered with the same epoch.
    if (*other.epoch == *batch.epoch) continue;
    if (reported_discard(history, batch.server, batch.time, other.time)) continue;
    findings.add(Invariant::nothing_lost, "one number was given to two batches",
                 {findings.text(batch), findings.text(other)});
    return;
  }
}

}  // namespace

void check_changes(const Findings& findings) {
  check_looks(findings);
  check_ends(findings);
  for (const Change& change : findings.history.changes) {
    if (change.kind == Change::Kind::batch && !change.error && change.epoch) {
      check_acknowledged(findings, change);
    }
  }
}

}  // namespace gyre::fault_injection
