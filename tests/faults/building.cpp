#include "tests/faults/building.hpp"

#include <fstream>
#include <set>
#include <string>

#include "fault_injection/injector.hpp"
#include "harness/snapshot/build.hpp"
#include "harness/snapshot/load.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::faults {
namespace {

// Whether it was built. Half of it is a finding.
bool all_or_nothing(World& world, const TestDirectory& directory,
                    const Result<snapshot::Built>& built, const std::set<std::string>& files,
                    bool must) {
  if (directory.files() != (built ? files : std::set<std::string>{})) {
    world.found(std::string("I5 all or nothing: a build that ") +
                (built ? "succeeded has other files than its own" : "failed left files behind"));
  }
  if (!built && must) world.found("I5 all or nothing: a clean build failed");
  return built.has_value();
}

bool is_whole(const snapshot::Output& built) {
  const auto verified = snapshot::verify_snapshot(built.manifest(), {});
  return verified && verified->wrong_chunks.empty() && verified->problems.empty() &&
         verified->checked_builder_file;
}

}  // namespace

void build_rows(World& world, const TestSnapshots& snapshots, bool must) {
  const snapshot::Manifest manifest = snapshots.without_keys();
  const TestDirectory directory(snapshots.directory());  // beneath the root of local sources
  snapshot::IndexedBuild build;
  build.input = snapshots.directory() / manifest.file;
  build.row_bytes = geometry.row_bytes;
  build.output = {directory.path(), "again"};
  build.origin = {manifest.metadata.as_of_seq, manifest.metadata.block_number,
                  manifest.metadata.state_root, manifest.metadata.table, geometry.rows_per_page};
  SeededRandom random(1);
  const auto built = snapshot::build_indexed(build, random, {});
  if (!all_or_nothing(world, directory, built, {"again.rows", "again.manifest.json"}, must)) return;
  if (built->manifest.content_id != manifest.content_id) {
    world.found("I1 integrity: equal rows were built into another snapshot");
  }
  world.rotate({protocol::ManifestSnapshot{"file:///" + directory.path().filename().string() +
                                           "/again.manifest.json"},
                false},
               must);
}

void build_keyed_table(World& world, const TestSnapshots& snapshots, bool must) {
  const TestDirectory inputs(snapshots.directory());
  const TestDirectory directory(snapshots.directory());  // beneath the root of local sources
  snapshot::KeyedBuild build;
  build.input = inputs.path() / "keys.csv";
  std::ofstream(build.input) << "alpha,1\nbeta,22\ngamma,333\ndelta,4444\n";
  build.syntax.header = snapshot::CsvHeader::absent;
  build.output = {directory.path(), "keyed"};
  SeededRandom random(1);
  const auto built = snapshot::build_keyed(build, random, {});
  if (!all_or_nothing(world, directory, built,
                      {"keyed.rows", "keyed.manifest.json", "keyed.builder"}, must)) {
    return;
  }
  // Under faults it may say that something is wrong, or that it cannot say.
  (void)is_whole(build.output);
  const fault_injection::Injector::OnlyLooking looking;
  if (!is_whole(build.output)) world.found("I1 integrity: a snapshot that was built is not whole");
}

}  // namespace gyre::faults
