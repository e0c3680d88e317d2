#include "fault_injection/plan.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace gyre::fault_injection {
namespace {

constexpr std::size_t max_terms = 64;  // of a point
constexpr std::uint32_t per_percent = always / 100;

std::optional<ErrorCode> code_named(std::string_view word) {
  constexpr ErrorCode codes[] = {
#define GYRE_LIST(code, meaning) ErrorCode::code,
      GYRE_ERROR_CODES(GYRE_LIST)
#undef GYRE_LIST
  };
  const auto* const found = std::find_if(std::begin(codes), std::end(codes),
                                         [&](ErrorCode code) { return gyre::name(code) == word; });
  if (found == std::end(codes)) return std::nullopt;
  return *found;
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || c == '_' || c == '.';
}

bool has_number(FaultAction action) noexcept {
  return action == FaultAction::delay || action == FaultAction::partial ||
         action == FaultAction::corrupt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Plan> plan() {
    Plan plan;
    if (text_.size() > max_plan_bytes) {
      return wrong("a plan has at most " + std::to_string(max_plan_bytes) + " characters");
    }
    skip_spaces();
    while (at_ < text_.size()) {
      auto entry = this->entry();
      if (!entry) return forward_error(entry);
      for (const PointPlan& other : plan.points) {
        if (other.point == entry->point) return wrong("each point can have one entry only");
      }
      plan.points.push_back(std::move(*entry));
      skip_spaces();
      if (at_ < text_.size() && !take(";")) return wrong("`;`, `->` or the end must follow a term");
      skip_spaces();
    }
    return plan;
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorCode::bad_configuration, "the fault plan is wrong at character " +
                                                  std::to_string(at_ + 1) + ": " +
                                                  std::string(what));
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  template <typename Is>
  std::string_view take_while(Is is) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  std::optional<std::uint64_t> number(std::uint64_t most) {
    const std::size_t begin = at_;
    const std::string_view digits = take_while(is_digit);
    std::uint64_t value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || read.ec != std::errc() || value > most) {
      at_ = begin;
      return std::nullopt;
    }
    return value;
  }

  Result<PointPlan> entry() {
    const std::size_t begin = at_;
    const std::string_view word = take_while(is_word);
    const auto found = std::find_if(fault_points.begin(), fault_points.end(),
                                    [&](const auto& point) { return point.name == word; });
    if (found == fault_points.end()) {
      at_ = begin;
      return wrong("the name of a fault point must stand here; `gyre faults list` has them all");
    }
    if (!take("=")) return wrong("`=` must follow the name of a point");
    PointPlan entry{found->point, {}};
    do {
      auto term = this->term(*found);
      if (!term) return forward_error(term);
      if (entry.terms.size() == max_terms) {
        return wrong("a point has at most " + std::to_string(max_terms) + " terms");
      }
      entry.terms.push_back(*term);
    } while (take("->"));
    return entry;
  }

  Result<Term> term(const FaultPointDescription& point) {
    Term term;
    if (auto read = frequency(term); !read) return forward_error(read);
    const std::size_t begin = at_;
    const std::string_view word = take_while(is_word);
    std::size_t action = 0;
    while (action < fault_action_count && gyre::name(static_cast<FaultAction>(action)) != word) {
      ++action;
    }
    if (action == fault_action_count) {
      at_ = begin;
      return wrong("an action must stand here: off, return, delay, partial, corrupt, pause, crash");
    }
    term.action = static_cast<FaultAction>(action);
    if (!point.allows(term.action)) {
      at_ = begin;
      return wrong("this point does not allow that action; `gyre faults list` says which it does");
    }
    if (auto read = argument(point, term); !read) return forward_error(read);
    return term;
  }

  // [P%][N*]
  Result<void> frequency(Term& term) {
    const std::size_t begin = at_;
    const std::string_view whole = take_while(is_digit);
    if (whole.empty()) return {};
    std::string_view fraction;
    if (take(".")) fraction = take_while(is_digit);
    if (take("%")) {
      auto read = percentage(whole, fraction);
      if (!read || *read == 0 || *read > always) {
        at_ = begin;
        return wrong("a percentage must be above 0 and at most 100, with at most 4 decimals");
      }
      term.per_million = static_cast<std::uint32_t>(*read);
      if (at_ >= text_.size() || !is_digit(text_[at_])) return {};
    } else {
      at_ = begin;
    }
    const auto count = number(std::numeric_limits<std::uint32_t>::max());
    if (!count || *count == 0) return wrong("a count must be from 1 to 4294967295");
    if (!take("*")) return wrong("`*` must follow a count, `%` a percentage");
    term.count = *count;
    return {};
  }

  static std::optional<std::uint64_t> percentage(std::string_view whole,
                                                 std::string_view fraction) {
    constexpr std::size_t decimals = 4;
    if (whole.size() > 3 || fraction.size() > decimals) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : whole) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    value *= per_percent;
    std::uint64_t unit = per_percent;
    for (const char c : fraction) value += static_cast<std::uint64_t>(c - '0') * (unit /= 10);
    return value;
  }

  Result<void> argument(const FaultPointDescription& point, Term& term) {
    if (term.action == FaultAction::fail) {
      term.code = point.codes().front();
      if (!take("(")) return {};
      const std::size_t begin = at_;
      const auto code = code_named(take_while(is_word));
      if (!code) {
        at_ = begin;
        return wrong("return takes the snake_case name of an error code");
      }
      term.code = *code;
    } else if (has_number(term.action)) {
      if (!take("(")) return wrong("delay needs (ms), partial (bytes), corrupt (bits)");
      const std::uint64_t most = term.action == FaultAction::delay     ? max_delay_ms
                                 : term.action == FaultAction::corrupt ? max_corrupt_bits
                                                                       : most_partial_bytes;
      const auto value = number(most);
      if (!value || (term.action == FaultAction::corrupt && *value == 0)) {
        return wrong(
            "a number must stand here: delay(0 to 600000), partial(bytes), "
            "corrupt(1 to 1024)");
      }
      term.argument = *value;
    } else {
      return {};
    }
    if (!take(")")) return wrong("`)` must follow the argument");
    return {};
  }

  // No more bytes than that pass anywhere.
  static constexpr std::uint64_t most_partial_bytes = std::uint64_t{1} << 46U;

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Plan> parse_plan(std::string_view text) {
  return Parser(text).plan();
}

std::string text_of(const Term& term) {
  std::string text;
  if (term.per_million != always) {
    text = std::to_string(term.per_million / per_percent);
    std::string fraction = std::to_string(term.per_million % per_percent + per_percent).substr(1);
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    if (!fraction.empty()) text += "." + fraction;
    text += "%";
  }
  if (term.count) text += std::to_string(*term.count) + "*";
  text += gyre::name(term.action);
  if (term.action == FaultAction::fail) {
    text += "(" + std::string(gyre::name(term.code)) + ")";
  } else if (has_number(term.action)) {
    text += "(" + std::to_string(term.argument) + ")";
  }
  return text;
}

std::string text_of(const Plan& plan) {
  std::string text;
  for (const PointPlan& entry : plan.points) {
    if (!text.empty()) text += ";";
    text += std::string(describe(entry.point).name) + "=";
    for (std::size_t i = 0; i < entry.terms.size(); ++i) {
      if (i > 0) text += "->";
      text += text_of(entry.terms[i]);
    }
  }
  return text;
}

PointPlan at_hit(FaultPoint point, std::uint64_t hit, Term term) {
  PointPlan plan{point, {}};
  if (hit > 1) plan.terms.push_back(Term{.action = FaultAction::off, .count = hit - 1});
  term.count = 1;
  plan.terms.push_back(term);
  return plan;
}

}  // namespace gyre::fault_injection
