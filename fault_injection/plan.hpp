// What is to happen at which fault points, in words: the grammar of FreeBSD's fail(9).
//
//   plan   = entry {";" entry}
//   entry  = point "=" term {"->" term}
//   term   = [percent "%"] [count "*"] action ["(" argument ")"]
//   action = off | return[(error_code)] | delay(ms) | partial(bytes) | corrupt(bits) | pause |
//   crash
//
// Every hit of a point goes through its terms in order. The first whose percentage says yes and
// whose count is not used up happens, and the others are not looked at: `2*off->1*return` lets two
// hits pass and fails the third; what is used up lets every hit pass.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/fault_point.hpp"

namespace gyre::fault_injection {

inline constexpr std::size_t max_plan_bytes = std::size_t{64} << 10U;
inline constexpr std::uint64_t max_delay_ms = 600'000;
inline constexpr std::uint64_t max_corrupt_bits = 1024;
inline constexpr std::uint32_t always = 1'000'000;

struct Term {
  FaultAction action = FaultAction::off;
  std::uint32_t per_million = always;    // of the hits that come to it
  std::optional<std::uint64_t> count{};  // of the times that it happens at most
  std::uint64_t argument = 0;            // milliseconds, bytes or bits
  ErrorCode code = ErrorCode::internal;  // of `return`

  friend bool operator==(const Term&, const Term&) = default;
};

struct PointPlan {
  FaultPoint point{};
  std::vector<Term> terms;

  friend bool operator==(const PointPlan&, const PointPlan&) = default;
};

// Each point at most once.
struct Plan {
  std::vector<PointPlan> points;

  friend bool operator==(const Plan&, const Plan&) = default;
};

// Empty text is a plan in which nothing happens. Errors: bad_configuration, with the character at
// which the text is wrong and what would be right there.
[[nodiscard]] Result<Plan> parse_plan(std::string_view text);

// A text that parse_plan() reads as the same plan, in one form.
[[nodiscard]] std::string text_of(const Plan& plan);
[[nodiscard]] std::string text_of(const Term& term);

// That hit alone (the first is 1) of that point.
[[nodiscard]] PointPlan at_hit(FaultPoint point, std::uint64_t hit, Term term);

}  // namespace gyre::fault_injection
