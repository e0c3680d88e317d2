// gyre snapshot inspect: what is inside a snapshot.
#include <filesystem>
#include <iostream>

#include "harness/cli/command.hpp"
#include "harness/cli/snapshot_commands.hpp"
#include "harness/snapshot/describe.hpp"
#include "harness/snapshot/load.hpp"

namespace gyre::cli {

int run_snapshot_inspect(const std::vector<std::string>& arguments) {
  const auto argument =
      manifest_argument("snapshot inspect", "Tells what is inside a snapshot.", arguments);
  if (const int* const code = std::get_if<int>(&argument)) return *code;
  const auto manifest = snapshot::read_manifest(std::get<std::filesystem::path>(argument));
  if (!manifest) return report_failure("snapshot inspect", manifest.error().message);
  std::cout << snapshot::describe(*manifest);
  return exit_success;
}

}  // namespace gyre::cli
