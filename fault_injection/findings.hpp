// What the parts of the checker share: a history under judgement and how its events read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fault_injection/checker.hpp"

namespace gyre::fault_injection {

class Findings {
 public:
  Findings(const History& judged, const Contents& model, std::vector<Violation>& found)
      : history(judged), contents(model), found_(found) {}

  void add(Invariant invariant, std::string what, std::vector<std::string> events) const {
    found_.push_back({invariant, std::move(what), std::move(events)});
  }

  // For people; times in microseconds since the history began.
  [[nodiscard]] std::string text(const Span& span) const;
  [[nodiscard]] std::string text(const Request& request) const;
  [[nodiscard]] std::string text(const Change& change) const;
  [[nodiscard]] std::string text(const Look& look) const;
  [[nodiscard]] std::string text(const Decoded& decoded) const;

  const History& history;
  const Contents& contents;

 private:
  std::vector<Violation>& found_;
};

// I1, I2, I10, I11: whether what was answered and described belongs to the epoch it names.
void check_contents(const Findings& findings);
// I3, I4, I8: whether requests were answered, and from an epoch that was there.
void check_requests(const Findings& findings);
// I5, I6, I7: what changes, and attempts at them, left behind.
void check_changes(const Findings& findings);

}  // namespace gyre::fault_injection
