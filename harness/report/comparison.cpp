#include "harness/report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "harness/report/text.hpp"

namespace gyre::report {
namespace {

bool has_spread(const Figure& figure) {
  return figure.lowest.has_value() && figure.highest.has_value();
}

Comparison compare_one(const Figure& before, const Figure& after) {
  Comparison result{.name = before.name,
                    .before = before.value,
                    .after = after.value,
                    .ratio = after.value / before.value};
  if (!has_spread(before) || !has_spread(after)) return result;
  const bool apart = *after.lowest > *before.highest || *after.highest < *before.lowest;
  result.verdict = apart ? Verdict::changed : Verdict::noise;
  if (*before.lowest > 0) {
    result.lowest = *after.lowest / *before.highest;
    result.highest = *after.highest / *before.lowest;
  }
  return result;
}

std::string number_text(double value) {
  return fmt::format("{:.4g}", value);
}

std::string_view text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::changed:
      return "";
    case Verdict::noise:
      return "noise";
    case Verdict::unknown:
      break;
  }
  return "spread unknown";
}

}  // namespace

ComparisonOfResults compare(const ResultFigures& before, const ResultFigures& after) {
  std::unordered_map<std::string_view, const Figure*> afters;
  for (const Figure& figure : after.figures) afters.emplace(figure.name, &figure);
  ComparisonOfResults result;
  std::size_t shared = 0;
  for (const Figure& figure : before.figures) {
    const auto other = afters.find(figure.name);
    if (other == afters.end()) {
      ++result.only_before;
      continue;
    }
    ++shared;
    if (figure.value != 0) result.figures.push_back(compare_one(figure, *other->second));
  }
  result.only_after = after.figures.size() - std::min(shared, after.figures.size());
  return result;
}

std::string comparison_text(const ComparisonOfResults& comparison) {
  std::size_t widest = 6;
  for (const Comparison& one : comparison.figures) widest = std::max(widest, one.name.size());
  std::string text = fmt::format("  {:<{}}  {:>11}  {:>11}  {:>8}  {:>19}\n", "figure", widest,
                                 "before", "after", "ratio", "may be");
  for (const Comparison& one : comparison.figures) {
    const std::string range =
        one.lowest && one.highest ? fmt::format("{:.3f} to {:.3f}", *one.lowest, *one.highest) : "";
    const std::string_view verdict = text_of(one.verdict);
    text += fmt::format("  {:<{}}  {:>11}  {:>11}  {:>8.3f}  {:>19}{}{}\n", one.name, widest,
                        number_text(one.before), number_text(one.after), one.ratio, range,
                        verdict.empty() ? "" : "  ", verdict);
  }
  if (comparison.only_before + comparison.only_after > 0) {
    text += fmt::format("\n{} figures are in the first result only, {} in the second only.\n",
                        comparison.only_before, comparison.only_after);
  }
  return text;
}

std::string figures_text(const ResultFigures& result) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Figure& figure : result.figures) {
    std::string value = number_text(figure.value);
    if (has_spread(figure)) {
      value +=
          fmt::format("  ({} to {})", number_text(*figure.lowest), number_text(*figure.highest));
    }
    rows.emplace_back(figure.name, std::move(value));
  }
  return two_column_table(rows);
}

}  // namespace gyre::report
