// The measured numbers of a result file, whichever program wrote it.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace gyre::report {

struct Figure {
  // Where it stands in the file; an element of a list by what tells it from the others, or by its
  // position where it says nothing: "scan[row_bytes=32].ratio_to_read_bandwidth".
  std::string name;
  double value = 0;
  // Of the repetitions it is the median of; none where the file does not tell.
  std::optional<double> lowest{};
  std::optional<double> highest{};
};

struct ResultFigures {
  std::string origin;  // machine and commit, for people
  std::vector<Figure> figures;
};

// Takes results of `gyre run` (an object with median, lowest and highest is one figure) and Google
// Benchmark's JSON (repetitions of one benchmark become one figure, as does a counter NAME with
// NAME_lowest and NAME_highest; what is not measured is left out). Errors: io_failed,
// malformed_input (no JSON, not of either form, larger than 64 MiB).
[[nodiscard]] Result<ResultFigures> read_figures(const std::filesystem::path& path);

// The same of a document. Errors: malformed_input.
[[nodiscard]] Result<ResultFigures> figures_of(const nlohmann::json& document);

}  // namespace gyre::report
