// The entry of `gyre`: finds the command and runs it.
#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/cli/command_names.hpp"
#include "harness/cli/fault_plan.hpp"
#include "harness/cli/options.hpp"
#include "harness/version.hpp"

namespace gyre::cli {
namespace {

constexpr Command commands[] = {
    Command{"serve", "answer queries on a snapshot as one of the two servers", run_serve},
    Command{"snapshot", "build, inspect or verify a snapshot", run_snapshot},
    Command{"lookup", "look up records by key, privately", run_lookup},
    Command{"fetch", "fetch rows or pages by number, privately", run_fetch},
    Command{"update", "change, add and delete keys of the table that two servers hold", run_update},
    Command{"rotate", "give one or both servers another snapshot while they serve", run_rotate},
    Command{"run", "run scenarios and record their results", run_scenario},
    Command{"report", "print the figures of result files", run_report},
    Command{"compare", "compare the figures of two result files", run_compare},
    Command{"faults", "list the places where a fault can be put", run_faults},
};

static_assert(std::all_of(std::begin(commands), std::end(commands),
                          [](const Command& command) { return is_command(command.name); }),
              "command_names lacks a command");

void print_help() {
  std::cout
      << "Usage: gyre COMMAND [OPTIONS]\n\n"
         "Private lookups: two servers answer, and neither learns which record was asked for.\n\n"
         "Commands:\n";
  for (const Command& command : commands) {
    std::cout << "  " << command.name << std::string(12 - command.name.size(), ' ')
              << command.summary << '\n';
  }
  std::cout << "\ngyre COMMAND --help tells about one of them, gyre --version what this is.\n";
}

int dispatch(const std::vector<std::string>& words) {
  if (words.empty() || asks_for_help(words[0]) || words[0] == "help") {
    print_help();
    return words.empty() ? exit_usage : exit_success;
  }
  if (words[0] == "--version") {
    std::cout << "gyre " << version() << " (" << build_description() << ")\n";
    return exit_success;
  }
  const auto* const command =
      std::find_if(std::begin(commands), std::end(commands),
                   [&](const Command& known) { return known.name == words[0]; });
  if (command == std::end(commands)) {
    std::cerr << "gyre: no such command; gyre --help lists them\n";
    return exit_usage;
  }
  const auto faults = faults_of_environment(command->name);
  if (!faults) {
    std::cerr << "gyre: " << faults.error().message << '\n';
    return exit_usage;
  }
  const int code = command->run({words.begin() + 1, words.end()});
  if (code != exit_success || *faults == nullptr) return code;
  const auto hit = (*faults)->check_all_hit();
  return hit ? code : report_failure(command->name, hit.error().message);
}

}  // namespace
}  // namespace gyre::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error of one write, not the end
  try {
    const int code = gyre::cli::dispatch({argv + 1, argv + argc});
    if (std::cout.flush()) return code;
    // Whoever reads a file must not take half an answer for a whole one.
    std::cerr << "gyre: not all output could be written\n";
  } catch (const std::bad_alloc&) {
    std::cerr << "gyre: out of memory\n";
  } catch (const std::exception&) {
    std::cerr << "gyre: internal error; please report what was run\n";
  }
  return gyre::cli::exit_failure;
}
