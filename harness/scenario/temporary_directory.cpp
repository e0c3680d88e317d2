#include "harness/scenario/temporary_directory.hpp"

#include <cstdlib>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gyre::scenario {
namespace {

// The directories of this process that are there.
struct Present {
  std::mutex mutex;
  std::vector<std::filesystem::path> paths;
};

Present& present() {
  static Present instance;
  return instance;
}

}  // namespace

Result<TemporaryDirectory> TemporaryDirectory::create() {
  std::error_code failed;
  const auto parent = std::filesystem::temp_directory_path(failed);
  std::string name = (parent / "gyre-XXXXXX").string();
  if (failed || ::mkdtemp(name.data()) == nullptr) {
    return fail(ErrorCode::io_failed, "no temporary directory could be made; is TMPDIR writable?");
  }
  {
    const std::lock_guard lock(present().mutex);
    present().paths.emplace_back(name);
  }
  return TemporaryDirectory(name);
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  {
    const std::lock_guard lock(present().mutex);
    std::erase(present().paths, path_);
  }
  std::error_code ignored;  // nobody is left to tell
  std::filesystem::remove_all(path_, ignored);
}

void remove_temporary_directories() noexcept {
  const std::lock_guard lock(present().mutex);
  for (const auto& path : present().paths) {
    // Again where somebody made a file in it meanwhile.
    constexpr int most_tries = 10;
    std::error_code failed;
    for (int i = 0; i < most_tries; ++i) {
      std::filesystem::remove_all(path, failed);
      if (!failed) break;
    }
  }
}

}  // namespace gyre::scenario
