#include "harness/scenario/large_rotation.hpp"

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/elapsed.hpp"
#include "harness/scenario/download.hpp"
#include "harness/scenario/seeded_random.hpp"
#include "harness/scenario/server_connections.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/slow_origin.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "harness/snapshot/build.hpp"

namespace gyre::scenario {
namespace {

constexpr std::uint32_t row_bytes = 32;

// A snapshot of random rows.
Result<snapshot::Built> build_base(const std::filesystem::path& directory, const std::string& name,
                                   std::uint64_t bytes, SeededRandom& random) {
  const auto input = directory / (name + ".input");
  {
    std::ofstream file(input, std::ios::binary);
    std::vector<std::byte> piece(std::size_t{1} << 20U);
    for (std::uint64_t written = 0; written < bytes; written += piece.size()) {
      if (auto filled = random.fill(piece); !filled) return forward_error(filled);
      file.write(reinterpret_cast<const char*>(piece.data()),
                 static_cast<std::streamsize>(piece.size()));
    }
    if (!file.flush())
      return fail(ErrorCode::io_failed, "a file of the scenario cannot be written");
  }
  snapshot::IndexedBuild build;
  build.input = input;
  build.row_bytes = row_bytes;
  build.output = {directory, name};
  auto built = snapshot::build_indexed(build, random, snapshot::Watch{[](const auto&) {}, {}});
  std::error_code ignored;
  std::filesystem::remove(input, ignored);
  return built;
}

// The most memory that a process had resident, bytes; 0 if the system does not say.
std::uint64_t peak_resident_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

Result<LargeRotation> rotate_large(std::uint64_t bytes, const std::string& backend,
                                   bool beside_download, std::uint64_t seed,
                                   const std::filesystem::path& program,
                                   const ProgressReport& progress) {
  progress("building two large tables", 0, 0);
  SeededRandom random(seed);
  const auto directory = TemporaryDirectory::create();
  if (!directory) return tl::unexpected<Error>(directory.error());
  const auto old_base = build_base(directory->path(), "old", bytes, random);
  if (!old_base) return tl::unexpected<Error>(old_base.error());
  const auto new_base = build_base(directory->path(), "new", bytes, random);
  if (!new_base) return tl::unexpected<Error>(new_base.error());

  LargeRotation figures;
  figures.table_bytes = new_base->manifest.metadata.geometry.bytes();
  auto origin = SlowOrigin::start(directory->path());
  if (!origin) return forward_error(origin);
  if (beside_download) {
    progress("a plain download of the large table", 0, 0);
    auto seconds = download_and_digest((*origin)->url(new_base->manifest.file), 1,
                                       directory->path() / "download.log");
    if (!seconds) return forward_error(seconds);
    figures.download_seconds = *seconds;
  }
  const ServerSettings settings{program, directory->path() / "old.manifest.json",
                                backend, directory->path(),
                                true,    (*origin)->host()};
  auto servers = ServerProcesses::start(settings);
  if (!servers) return forward_error(servers);
  auto admins = Admins::connect(*servers);
  if (!admins) return forward_error(admins);
  progress("rotating to a large table", 0, 0);
  const nlohmann::json request = {{"manifest_url", (*origin)->url("new.manifest.json")}};
  const auto begun = std::chrono::steady_clock::now();
  auto rotated = admins->post(0, "/admin/snapshot", "application/json", request.dump());
  if (!rotated) return forward_error(rotated);
  figures.seconds = seconds_since(begun);
  figures.peak_bytes = peak_resident_bytes(servers->process(0).pid());
  if (auto stopped = servers->stop(); !stopped) return forward_error(stopped);
  return figures;
}

}  // namespace gyre::scenario
