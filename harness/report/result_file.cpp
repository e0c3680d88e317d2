#include "harness/report/result_file.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

namespace gyre::report {

namespace {

constexpr int most_of_one_second = 1000;

}  // namespace

Result<std::filesystem::path> write_result(const std::filesystem::path& directory,
                                           std::string_view name, const nlohmann::json& result) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string stem = fmt::format("{}-{:%Y%m%dT%H%M%SZ}", name,
                                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  const auto temporary = directory / fmt::format("{}.{}.tmp", stem, getpid());
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << result.dump(2) << '\n';
    file.close();
    if (!file) {
      std::filesystem::remove(temporary, failed);
      return fail(ErrorCode::io_failed,
                  "the result file could not be written; is its directory writable?");
    }
  }
  // Unlike a renaming, a link never replaces what another run wrote in the same second.
  auto path = directory / (stem + ".json");
  std::filesystem::create_hard_link(temporary, path, failed);
  for (int next = 2; failed == std::errc::file_exists && next <= most_of_one_second; ++next) {
    path = directory / fmt::format("{}-{}.json", stem, next);
    std::filesystem::create_hard_link(temporary, path, failed);
  }
  std::error_code not_removed;
  std::filesystem::remove(temporary, not_removed);
  if (failed) return fail(ErrorCode::io_failed, "the result file could not be given its name");
  return path;
}

}  // namespace gyre::report
