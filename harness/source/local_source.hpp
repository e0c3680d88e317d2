// A source in a file on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string_view>

#include "core/error.hpp"
#include "harness/source/source.hpp"

namespace gyre::source {

// Opens the regular file at `path` beneath `root`. Symbolic links are followed as long as no step
// leaves the root, which the kernel sees to: no race between a check and its use. Absolute links
// leave it. Errors: not_found, source_not_allowed (outside the root, not a regular file, or not
// readable), request_too_large, io_failed. REQUIRES: a path that begins with '/' and no other.
[[nodiscard]] Result<std::unique_ptr<Source>> open_local(const std::filesystem::path& root,
                                                         std::string_view path,
                                                         std::uint64_t max_bytes,
                                                         std::stop_token stop);

}  // namespace gyre::source
