#include "harness/report/result_file.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

namespace gyre::report {

Result<std::filesystem::path> write_result(const std::filesystem::path& directory,
                                           std::string_view name, const nlohmann::json& result) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto path = directory / fmt::format("{}-{:%Y%m%dT%H%M%SZ}.json", name,
                                            fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  auto temporary = path;
  temporary += ".tmp";
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
  std::filesystem::rename(temporary, path, failed);
  if (failed) return fail(ErrorCode::io_failed, "the result file could not be given its name");
  return path;
}

}  // namespace gyre::report
