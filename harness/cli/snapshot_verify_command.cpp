// gyre snapshot verify: whether a snapshot is whole.
#include <filesystem>
#include <iostream>

#include "harness/cli/command.hpp"
#include "harness/cli/snapshot_commands.hpp"
#include "harness/cli/snapshot_monitor.hpp"
#include "harness/report/text.hpp"
#include "harness/snapshot/load.hpp"

namespace gyre::cli {

int run_snapshot_verify(const std::vector<std::string>& arguments) {
  const auto argument = manifest_argument(
      "snapshot verify",
      "Recomputes every digest of a snapshot, and looks every key up if its builder file is there.",
      arguments);
  if (const int* const code = std::get_if<int>(&argument)) return *code;
  SnapshotMonitor monitor;
  const auto verified =
      snapshot::verify_snapshot(std::get<std::filesystem::path>(argument), monitor.watch());
  monitor.end();
  if (!verified) return report_failure("snapshot verify", verified.error().message);
  if (verified->problems.empty()) {
    std::cout << "OK: " << report::count_text(verified->manifest.chunk_digests.size())
              << " chunks, " << report::bytes_text(verified->manifest.metadata.geometry.bytes())
              << (verified->checked_builder_file ? ", every key of the builder file is in its row\n"
                                                 : "\n");
    return exit_success;
  }
  for (const std::string& problem : verified->problems) report_failure("snapshot verify", problem);
  constexpr std::size_t max_listed = 20;
  for (std::size_t i = 0; i < verified->wrong_chunks.size() && i < max_listed; ++i) {
    const std::uint64_t chunk = verified->wrong_chunks[i];
    std::cerr << "  chunk " << chunk << ", from byte " << chunk * digest_chunk_bytes << '\n';
  }
  if (verified->wrong_chunks.size() > max_listed) std::cerr << "  and more\n";
  return exit_failure;
}

}  // namespace gyre::cli
