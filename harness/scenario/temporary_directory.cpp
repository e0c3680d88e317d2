#include "harness/scenario/temporary_directory.hpp"

#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

namespace gyre::scenario {

Result<TemporaryDirectory> TemporaryDirectory::create() {
  std::error_code failed;
  const auto parent = std::filesystem::temp_directory_path(failed);
  std::string name = (parent / "gyre-XXXXXX").string();
  if (failed || ::mkdtemp(name.data()) == nullptr) {
    return fail(ErrorCode::io_failed, "no temporary directory could be made; is TMPDIR writable?");
  }
  return TemporaryDirectory(name);
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // nobody is left to tell
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace gyre::scenario
