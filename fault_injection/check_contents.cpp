#include <algorithm>
#include <map>
#include <utility>

#include "fault_injection/findings.hpp"

namespace gyre::fault_injection {
namespace {

std::string names_of(const std::vector<const Content*>& contents) {
  std::string names;
  for (const Content* content : contents) names += " " + content->id.text();
  return names.empty() ? " of no epoch" : " of" + names;
}

void check_answers(const Findings& findings, const Request& request, const Content& content) {
  const std::size_t bytes = content.metadata.geometry.answer_bytes(request.kind);
  if (request.answers.size() != bytes * request.keys.size()) {
    findings.add(Invariant::metadata, "the answers have another length than the epoch's geometry",
                 {findings.text(request)});
    return;
  }
  std::string wrong;
  std::size_t right = 0;
  bool of_others = true;  // every wrong one is right for another epoch
  for (std::size_t i = 0; i < request.keys.size(); ++i) {
    const auto answer = std::span(request.answers).subspan(i * bytes, bytes);
    if (std::ranges::equal(content.answer(request.kind, request.keys[i]), answer)) {
      ++right;
      continue;
    }
    const auto others = findings.contents.that_answer(request.kind, request.keys[i], answer);
    of_others = of_others && !others.empty();
    wrong += "; answer " + std::to_string(i) + " is" + names_of(others);
  }
  if (wrong.empty()) return;
  if (right > 0 && of_others) {
    findings.add(Invariant::one_epoch, "answers of several epochs in one request" + wrong,
                 {findings.text(request)});
  } else {
    findings.add(Invariant::integrity, "answers that are not the named epoch's" + wrong,
                 {findings.text(request)});
  }
}

void check_request(const Findings& findings, const Request& request) {
  if (request.error || !request.time.end) return;
  const auto* const asked = std::get_if<EpochId>(&request.asked);
  if (asked != nullptr && *asked != request.epoch) {
    findings.add(Invariant::one_epoch, "another epoch than the one asked for",
                 {findings.text(request)});
    return;
  }
  const Content* const content = findings.contents.find(request.epoch);
  if (content == nullptr) {
    findings.add(Invariant::integrity, "an epoch whose name nothing leads to",
                 {findings.text(request)});
    return;
  }
  check_answers(findings, request, *content);
}

void check_look(const Findings& findings, const Look& look) {
  for (const Look::Held& held : look.held) {
    const Content* const content = findings.contents.find(held.id);
    if (content == nullptr) {
      findings.add(Invariant::metadata,
                   held.id.text() + " is described, and nothing leads to that name",
                   {findings.text(look)});
    } else if (content->metadata != held.metadata || content->content_id != held.content_id) {
      findings.add(Invariant::metadata,
                   held.id.text() + " is described with metadata that are not its own",
                   {findings.text(look)});
    }
  }
}

// Looks at two servers, or twice at one.
void check_equal_names(const Findings& findings) {
  std::map<std::string, std::pair<const Look*, const Look::Held*>> first;
  for (const Look& look : findings.history.looks) {
    for (const Look::Held& held : look.held) {
      if (!held.rows_digest) continue;
      const auto [known, is_new] = first.try_emplace(held.id.text(), &look, &held);
      if (is_new) continue;
      const auto& [other_look, other] = known->second;
      if (other->rows_digest == held.rows_digest && other->metadata == held.metadata) continue;
      findings.add(
          other_look->server == look.server ? Invariant::integrity : Invariant::two_parties,
          held.id.text() + " names two contents",
          {findings.text(*other_look), findings.text(look)});
    }
  }
}

void check_decoded(const Findings& findings, const Decoded& decoded) {
  const Content* const content = findings.contents.find(decoded.epoch);
  if (content != nullptr && decoded.index < content->metadata.geometry.records(decoded.kind) &&
      std::ranges::equal(content->record(decoded.kind, decoded.index), decoded.record)) {
    return;
  }
  findings.add(Invariant::two_parties, "a decoded record is not the one of its epoch",
               {findings.text(decoded)});
}

}  // namespace

void check_contents(const Findings& findings) {
  for (const Request& request : findings.history.requests) check_request(findings, request);
  for (const Look& look : findings.history.looks) check_look(findings, look);
  check_equal_names(findings);
  for (const Decoded& decoded : findings.history.decoded) check_decoded(findings, decoded);
}

}  // namespace gyre::fault_injection
