// Decides from a history whether the promises were kept that DESIGN calls invariants.
//
// What it cannot see is in docs/testing.md, "What the checker cannot see".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fault_injection/contents.hpp"
#include "fault_injection/history.hpp"

namespace gyre::fault_injection {

// X(identifier, "name as people say it")
#define GYRE_INVARIANTS_TABLE(X)         \
  X(integrity, "I1 integrity")           \
  X(one_epoch, "I2 one epoch")           \
  X(membership, "I3 membership")         \
  X(monotonic, "I4 monotonic")           \
  X(all_or_nothing, "I5 all or nothing") \
  X(nothing_lost, "I6 nothing lost")     \
  X(no_leak, "I7 no leak")               \
  X(alive, "I8 alive")                   \
  X(metadata, "I10 metadata")            \
  X(two_parties, "I11 two parties")

enum class Invariant : std::uint8_t {
#define GYRE_ENUMERATE(identifier, name) identifier,
  GYRE_INVARIANTS_TABLE(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};
[[nodiscard]] std::string_view name(Invariant invariant) noexcept;

struct Violation {
  Invariant invariant{};
  std::string what;
  std::vector<std::string> events;  // those that contradict each other
};

struct Verdict {
  std::vector<Violation> violations;
  std::string replay;

  [[nodiscard]] bool good() const noexcept { return violations.empty(); }
  // For people: each violation with its events, and the command that runs it again.
  [[nodiscard]] std::string text() const;
};

// Pure; takes time that grows with requests × changes.
[[nodiscard]] Verdict check(const History& history, const Contents& contents);

}  // namespace gyre::fault_injection
