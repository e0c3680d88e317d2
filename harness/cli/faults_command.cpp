// gyre faults list: the points of this binary at which a fault can be put.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "core/fault_point.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"

namespace gyre::cli {
namespace {

void print(const FaultPointDescription& point) {
  std::cout << '\n' << point.name << "\n  where       " << point.where << "\n  actions    ";
  for (std::size_t i = 0; i < fault_action_count; ++i) {
    const auto action = static_cast<FaultAction>(i);
    if (point.allows(action)) std::cout << ' ' << name(action);
  }
  if (!point.codes().empty()) {
    std::cout << "\n  errors     ";
    for (const ErrorCode code : point.codes()) std::cout << ' ' << name(code);
  }
  std::cout << "\n  effect      " << point.effect << "\n  afterwards  " << point.afterwards << '\n';
}

}  // namespace

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
  for (const FaultPointDescription& point : fault_points) print(point);
  std::cout << "\nWhat a plan can have happen there:\n";
  for (std::size_t i = 0; i < fault_action_count; ++i) {
    const auto action = static_cast<FaultAction>(i);
    std::cout << "  " << name(action) << std::string(9 - name(action).size(), ' ') << effect(action)
              << '\n';
  }
  return exit_success;
}

}  // namespace gyre::cli
