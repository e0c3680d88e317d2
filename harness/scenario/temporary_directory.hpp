// A directory that goes away with its owner.
#pragma once

#include <filesystem>

#include "core/error.hpp"

namespace gyre::scenario {

class TemporaryDirectory {
 public:
  // A fresh directory under the system's temporary one, for this user only. Errors: io_failed.
  [[nodiscard]] static Result<TemporaryDirectory> create();
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit TemporaryDirectory(std::filesystem::path path) noexcept : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Removes every temporary directory there is, for a process that ends at once: their owners' turn
// will not come. Threads that still use one see their files vanish. Thread-safe.
void remove_temporary_directories() noexcept;

}  // namespace gyre::scenario
