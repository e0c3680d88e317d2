// gyre faults list: the points of this binary at which a fault can be put.
#include <algorithm>
#include <iostream>
#include <string>

#include "core/fault_point.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"

namespace gyre::cli {

int run_faults(const std::vector<std::string>& arguments) {
  const bool help = std::any_of(arguments.begin(), arguments.end(), asks_for_help);
  if (help || (!arguments.empty() && arguments[0] == "help")) {
    std::cout << "Usage: gyre faults list\n\nLists the places where a fault can be put, and what "
                 "each stands "
                 "for.\nOnly a build with -Dfault_points=true has them compiled in.\n";
    return exit_success;
  }
  if (arguments.size() != 1 || arguments[0] != "list") {
    std::cerr << "gyre faults: the one thing to ask for is `gyre faults list`\n";
    return exit_usage;
  }
#if defined(GYRE_FAULT_POINTS)
  std::cout << "Compiled into this build:\n";
#else
  std::cout << "Not compiled into this build (-Dfault_points=true does that):\n";
#endif
  const auto print = [](std::string_view name, std::string_view stands_for) {
    std::cout << "  " << name << std::string(name.size() < 18 ? 18 - name.size() : 1, ' ')
              << stands_for << '\n';
  };
#define GYRE_PRINT(identifier, name, stands_for) print(name, stands_for);
  GYRE_FAULT_POINTS_TABLE(GYRE_PRINT)
#undef GYRE_PRINT
  return exit_success;
}

}  // namespace gyre::cli
