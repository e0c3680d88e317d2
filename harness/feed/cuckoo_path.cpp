#include "harness/feed/cuckoo_path.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

namespace gyre::feed {
namespace {

constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

// A row on the way, and the row (by its place among those searched) whose holder would go there.
struct Step {
  std::uint64_t row = 0;
  std::size_t from = nobody;
  std::size_t length = 1;  // rows of the path up to here
};

}  // namespace

Result<std::optional<std::vector<std::uint64_t>>> find_path(const table::Candidates& candidates,
                                                            const HolderOfRow& holder_of) {
  // Breadth first, so that the shortest path is found: every move costs a row of the batch.
  std::vector<Step> steps;
  std::unordered_set<std::uint64_t> seen;
  const auto add = [&](std::uint64_t row, std::size_t from, std::size_t length) {
    if (steps.size() < max_rows_searched && length <= max_path_rows && seen.insert(row).second) {
      steps.push_back({row, from, length});
    }
  };
  for (const std::uint64_t row : candidates) add(row, nobody, 1);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step step = steps[i];
    auto holder = holder_of(step.row);
    if (!holder) return forward_error(holder);
    if (*holder) {
      for (const std::uint64_t row : **holder) add(row, i, step.length + 1);
      continue;
    }
    std::vector<std::uint64_t> path;
    for (std::size_t at = i; at != nobody; at = steps[at].from) path.push_back(steps[at].row);
    std::reverse(path.begin(), path.end());
    return path;
  }
  return std::nullopt;
}

}  // namespace gyre::feed
