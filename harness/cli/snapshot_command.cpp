// gyre snapshot build | inspect | verify: the files that a server serves from.
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/snapshot_commands.hpp"

namespace gyre::cli {
namespace {

constexpr std::string_view usage =
    "Usage: gyre snapshot build|inspect|verify [OPTIONS]\n\n"
    "  build    make a snapshot from CSV, JSON lines or raw rows\n"
    "  inspect  tell what is inside a snapshot\n"
    "  verify   recompute every digest of a snapshot and look its keys up\n\n"
    "gyre snapshot build --help tells about one of them.\n";

}  // namespace

int run_snapshot(const std::vector<std::string>& arguments) {
  if (arguments.empty() || asks_for_help(arguments[0]) || arguments[0] == "help") {
    (arguments.empty() ? std::cerr : std::cout) << usage;
    return arguments.empty() ? exit_usage : exit_success;
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (arguments[0] == "build") return run_snapshot_build(rest);
  if (arguments[0] == "inspect") return run_snapshot_inspect(rest);
  if (arguments[0] == "verify") return run_snapshot_verify(rest);
  std::cerr << "gyre snapshot: it must be build, inspect or verify; see gyre snapshot --help\n";
  return exit_usage;
}

}  // namespace gyre::cli
