// gyre compare: how the figures of one result differ from those of another.
#include <boost/program_options.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/report/comparison.hpp"

namespace gyre::cli {

int run_compare(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Options options(
      "compare", "BEFORE AFTER",
      "Prints the ratio of every figure that two result files share, results of gyre run "
      "or of the benchmarks.");
  options.add()("result", po::value<std::vector<std::string>>(), "the two result files");
  options.add_positional("result", 2);
  options.set_epilogue(
      "\"May be\" is how far the ratio could be off if both results were at the ends of their "
      "spreads;\nfigures whose spreads touch are marked as noise. Results of different machines "
      "can be compared,\nbut their ratios say little.\n");
  const auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);
  if (values.count("result") == 0 || values["result"].as<std::vector<std::string>>().size() != 2) {
    std::cerr << "gyre compare: name two result files\n";
    return exit_usage;
  }
  const auto& paths = values["result"].as<std::vector<std::string>>();
  const auto before = report::read_figures(paths[0]);
  if (!before) return report_failure("compare", before.error().message);
  const auto after = report::read_figures(paths[1]);
  if (!after) return report_failure("compare", after.error().message);
  std::cout << "Before: " << before->origin << "\nAfter:  " << after->origin << "\n\n"
            << report::comparison_text(report::compare(*before, *after));
  return exit_success;
}

}  // namespace gyre::cli
