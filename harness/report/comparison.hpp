// Two results side by side: what changed, and what is only noise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/report/figures.hpp"

namespace gyre::report {

enum class Verdict {
  changed,  // the two spreads do not touch
  noise,    // they do
  unknown,  // one of the two results does not tell its spread
};

struct Comparison {
  std::string name;
  double before = 0;
  double after = 0;
  double ratio = 0;  // after over before
  // Of the ratio, as far as the spreads of both let it be otherwise.
  std::optional<double> lowest{};
  std::optional<double> highest{};
  Verdict verdict = Verdict::unknown;
};

struct ComparisonOfResults {
  std::vector<Comparison> figures;  // that both have, in the order of the first
  std::size_t only_before = 0;
  std::size_t only_after = 0;
};

// Figures of one name are compared; those that are 0 before have no ratio and are left out.
[[nodiscard]] ComparisonOfResults compare(const ResultFigures& before, const ResultFigures& after);

// One line a figure, for people.
[[nodiscard]] std::string comparison_text(const ComparisonOfResults& comparison);
[[nodiscard]] std::string figures_text(const ResultFigures& result);

}  // namespace gyre::report
