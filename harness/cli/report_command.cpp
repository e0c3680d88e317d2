// gyre report: the figures of result files as a table.
#include <boost/program_options.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/report/comparison.hpp"

namespace gyre::cli {

int run_report(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Options options("report", "RESULT…",
                  "Prints the figures of result files, of gyre run or of the benchmarks, each with "
                  "the range its repetitions took.");
  options.add()("result", po::value<std::vector<std::string>>(), "result files");
  options.add_positional("result", -1);
  const auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);
  if (values.count("result") == 0) {
    std::cerr << "gyre report: name at least one result file\n";
    return exit_usage;
  }
  for (const std::string& path : values["result"].as<std::vector<std::string>>()) {
    const auto result = report::read_figures(path);
    if (!result) return report_failure("report", result.error().message);
    std::cout << path << "\n" << result->origin << "\n" << report::figures_text(*result) << "\n";
  }
  return exit_success;
}

}  // namespace gyre::cli
