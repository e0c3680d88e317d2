#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "fault_injection/findings.hpp"

namespace gyre::fault_injection {
namespace {

bool holds(const Look& look, const EpochId& id) {
  return std::any_of(look.held.begin(), look.held.end(),
                     [&](const Look::Held& held) { return held.id == id; });
}

bool makes(const Change& change, unsigned server, const EpochId& id) {
  return change.server == server && change.epoch && !change.error && *change.epoch == id;
}

// I3. Certain knowledge only: what may have been there counts as having been there.
void check_membership(const Findings& findings, const Request& request) {
  const History& history = findings.history;
  const auto begun_in_time = [&](const Span& span) { return span.begin <= request.time.latest(); };
  const bool was_made =
      std::any_of(history.changes.begin(), history.changes.end(),
                  [&](const Change& change) {
                    return makes(change, request.server, request.epoch) &&
                           begun_in_time(change.time);
                  }) ||
      std::any_of(history.looks.begin(), history.looks.end(), [&](const Look& look) {
        return look.server == request.server && begun_in_time(look.time) &&
               holds(look, request.epoch);
      });
  if (!was_made) {
    findings.add(Invariant::membership, "answered from an epoch that nothing had made current",
                 {findings.text(request)});
    return;
  }
  for (const Look& look : history.looks) {
    if (look.server != request.server || !look.time.before(request.time)) continue;
    if (holds(look, request.epoch)) continue;
    const bool came_later =
        std::any_of(history.changes.begin(), history.changes.end(), [&](const Change& change) {
          return makes(change, request.server, request.epoch) && begun_in_time(change.time) &&
                 !change.time.before(look.time);
        });
    if (came_later) continue;
    findings.add(Invariant::membership, "answered from an epoch that had been let go",
                 {findings.text(look), findings.text(request)});
    return;
  }
}

// I4, against what was acknowledged to anybody before the request began.
void check_not_stale(const Findings& findings, const Request& request) {
  if (!std::holds_alternative<CurrentEpoch>(request.asked)) return;
  for (const Change& change : findings.history.changes) {
    if (change.server != request.server || change.error || change.generation == 0) continue;
    if (!change.time.before(request.time) || change.generation <= request.generation) continue;
    findings.add(Invariant::monotonic, "an answer for current from before an acknowledged change",
                 {findings.text(change), findings.text(request)});
    return;
  }
}

// I4, against what the same client has seen.
void check_clients(const Findings& findings) {
  std::map<std::pair<unsigned, unsigned>, std::vector<const Request*>> of_client;
  for (const Request& request : findings.history.requests) {
    if (request.error || !request.time.end) continue;
    of_client[{request.server, request.client}].push_back(&request);
  }
  for (const auto& [client, requests] : of_client) {
    std::vector<const Request*> ended = requests;
    std::stable_sort(ended.begin(), ended.end(), [](const Request* one, const Request* other) {
      return one->time.latest() < other->time.latest();
    });
    std::vector<const Request*> begun = requests;
    std::stable_sort(begun.begin(), begun.end(), [](const Request* one, const Request* other) {
      return one->time.begin < other->time.begin;
    });
    const Request* newest = nullptr;  // of those that ended before the one looked at began
    auto next = ended.begin();
    for (const Request* request : begun) {
      for (; next != ended.end() && (*next)->time.before(request->time); ++next) {
        if (newest == nullptr || (*next)->generation > newest->generation) newest = *next;
      }
      if (newest != nullptr && std::holds_alternative<CurrentEpoch>(request->asked) &&
          request->generation < newest->generation) {
        findings.add(Invariant::monotonic, "a client is taken back to an older generation",
                     {findings.text(*newest), findings.text(*request)});
      }
    }
  }
}

bool is_within(const Firing& firing, const Request& request) {
  return firing.at >= request.time.begin && firing.at <= request.time.latest();
}

// Whether a fault of the query's own path wanted this error while the request ran.
bool was_wanted(const History& history, const Request& request) {
  return std::any_of(history.firings.begin(), history.firings.end(), [&](const Firing& firing) {
    return describe(firing.point).name.starts_with("query.") &&
           firing.term.action == FaultAction::fail && firing.term.code == *request.error &&
           is_within(firing, request);
  });
}

// Requests whose connection ended, of which the history says `io_failed`, because of a fault in the
// path of their bytes. A fault ends one connection, so it excuses one request of those that it may
// have been: the one that ended first, so that as many as possible find one.
std::set<const Request*> ended_by_faults(const History& history) {
  std::vector<const Firing*> firings;
  for (const Firing& firing : history.firings) {
    if (describe(firing.point).name.starts_with("http.") &&
        firing.term.action == FaultAction::fail) {
      firings.push_back(&firing);
    }
  }
  std::vector<const Request*> ended;
  for (const Request& request : history.requests) {
    if (request.error == ErrorCode::io_failed && request.time.end) ended.push_back(&request);
  }
  std::ranges::sort(firings, {}, &Firing::at);
  std::ranges::sort(ended, {}, [](const Request* request) { return request->time.latest(); });
  std::set<const Request*> excused;
  for (const Request* request : ended) {
    const auto found = std::ranges::find_if(
        firings, [&](const Firing* firing) { return is_within(*firing, *request); });
    if (found == firings.end()) continue;
    excused.insert(request);
    firings.erase(found);
  }
  return excused;
}

// Whether the epoch was certainly there all the time: held at the looks right before and right
// after, and nothing between them that may let an epoch go and make it anew. A rollback may; so may
// a rotation, but not one of the base that was current.
bool was_certainly_there(const History& history, const Request& request, const EpochId& id) {
  const Look* before = nullptr;
  const Look* after = nullptr;
  for (const Look& look : history.looks) {
    if (look.server != request.server) continue;
    if (look.time.before(request.time)) {
      before = &look;
    } else if (after == nullptr && request.time.before(look.time)) {
      after = &look;
    }
  }
  if (before == nullptr || after == nullptr || !holds(*before, id) || !holds(*after, id)) {
    return false;
  }
  const bool of_current_base = before->held.front().id.base == id.base;
  std::size_t rotations = 0;
  for (const Change& change : history.changes) {
    if (change.server != request.server) continue;
    if (!change.time.overlaps({before->time.begin, after->time.end})) continue;
    if (change.kind == Change::Kind::rollback) return false;
    if (change.kind == Change::Kind::rotation) ++rotations;
  }
  return rotations == 0 || (rotations == 1 && of_current_base);
}

// I8.
void check_answered(const Findings& findings, const Request& request,
                    const std::set<const Request*>& excused) {
  if (!request.time.end) {
    findings.add(Invariant::alive, "a request that was never answered", {findings.text(request)});
    return;
  }
  if (!request.error || was_wanted(findings.history, request)) return;
  if (excused.contains(&request)) return;
  const auto* const asked = std::get_if<EpochId>(&request.asked);
  if (asked != nullptr && *request.error == ErrorCode::epoch_gone &&
      !was_certainly_there(findings.history, request, *asked)) {
    return;
  }
  findings.add(Invariant::alive, "a request fails that no fault had touched",
               {findings.text(request)});
}

}  // namespace

void check_requests(const Findings& findings) {
  const auto excused = ended_by_faults(findings.history);
  for (const Request& request : findings.history.requests) {
    check_answered(findings, request, excused);
    if (request.error || !request.time.end) continue;
    check_membership(findings, request);
    check_not_stale(findings, request);
  }
  check_clients(findings);
}

}  // namespace gyre::fault_injection
