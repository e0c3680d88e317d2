#include "fault_injection/checker.hpp"

#include <algorithm>
#include <variant>

#include "fault_injection/findings.hpp"

namespace gyre::fault_injection {
namespace {

std::string_view word_for(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::rotation:
      return "rotation";
    case Change::Kind::batch:
      return "batch";
    case Change::Kind::rollback:
      return "rollback";
    case Change::Kind::compaction:
      return "compaction";
    case Change::Kind::promotion:
      return "promotion";
  }
  return "change";
}

Clock::time_point beginning(const History& history) {
  Clock::time_point first = Clock::time_point::max();
  const auto look_at = [&](const auto& events) {
    for (const auto& event : events) first = std::min(first, event.time.begin);
  };
  look_at(history.requests);
  look_at(history.changes);
  look_at(history.looks);
  look_at(history.decoded);
  return first;
}

std::string of_server(unsigned server) {
  return " on server " + std::to_string(server);
}

}  // namespace

std::string_view name(Invariant invariant) noexcept {
  constexpr std::string_view names[] = {
#define GYRE_NAME(identifier, name) name,
      GYRE_INVARIANTS_TABLE(GYRE_NAME)
#undef GYRE_NAME
  };
  return names[static_cast<std::size_t>(invariant)];
}

std::string Findings::text(const Span& span) const {
  const auto first = beginning(history);
  const auto micros = [&](Clock::time_point at) {
    return std::to_string(
        std::chrono::duration_cast<std::chrono::microseconds>(at - first).count());
  };
  return micros(span.begin) + " to " + (span.end ? micros(*span.end) + " us" : "no end");
}

std::string Findings::text(const Request& request) const {
  const auto* const id = std::get_if<EpochId>(&request.asked);
  return text(request.time) + ": client " + std::to_string(request.client) +
         of_server(request.server) + " asks " + std::to_string(request.keys.size()) +
         (request.kind == QueryKind::row ? " row keys of " : " page keys of ") +
         (id == nullptr ? "current" : id->text()) +
         (request.error ? ", gets " + std::string(gyre::name(*request.error))
                        : ", answered from " + request.epoch.text() + " generation " +
                              std::to_string(request.generation));
}

std::string Findings::text(const Change& change) const {
  std::string line =
      text(change.time) + ": " + std::string(word_for(change.kind)) + of_server(change.server);
  if (change.kind == Change::Kind::batch) line += " with seq " + std::to_string(change.seq);
  if (change.error) return line + " fails: " + std::string(gyre::name(*change.error));
  if (!change.epoch) return line + " succeeds";
  return line + " makes " + change.epoch->text() + " current, generation " +
         std::to_string(change.generation) + ", " + std::to_string(change.discarded) +
         " batches discarded";
}

std::string Findings::text(const Look& look) const {
  std::string line = text(look.time) + ": a look" + of_server(look.server) + " finds";
  for (const Look::Held& held : look.held) {
    line += " " + held.id.text() + "@" + std::to_string(held.generation);
  }
  for (const auto& [owner, bytes] : look.memory) {
    line += ", " + owner + " " + std::to_string(bytes) + " bytes";
  }
  return line;
}

std::string Findings::text(const Decoded& decoded) const {
  return text(decoded.time) + ": record " + std::to_string(decoded.index) + " of " +
         decoded.epoch.text() + " decoded";
}

std::string Verdict::text() const {
  std::string text;
  for (const Violation& violation : violations) {
    text += std::string(name(violation.invariant)) + ": " + violation.what + "\n";
    for (const std::string& event : violation.events) text += "    " + event + "\n";
  }
  if (!violations.empty() && !replay.empty()) text += "again: " + replay + "\n";
  return text;
}

Verdict check(const History& history, const Contents& contents) {
  Verdict verdict;
  verdict.replay = history.replay;
  const Findings findings(history, contents, verdict.violations);
  check_contents(findings);
  check_requests(findings);
  check_changes(findings);
  return verdict;
}

}  // namespace gyre::fault_injection
