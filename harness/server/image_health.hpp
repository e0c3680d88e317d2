// Whether an epoch is resident everywhere it should be.
#pragma once

#include <string>
#include <vector>

#include "core/epoch.hpp"

namespace gyre::server {

// Residencies by name, each once.
struct ImageHealth {
  std::vector<std::string> failed;   // there, but broken: other images answer
  std::vector<std::string> missing;  // wanted and not there: not uploaded yet, or no room

  [[nodiscard]] bool degraded() const noexcept { return !failed.empty() || !missing.empty(); }
};

// Of images that should be in each of the `wanted` residencies. Thread-safe.
[[nodiscard]] ImageHealth image_health(const Images& images,
                                       const std::vector<std::string>& wanted);

}  // namespace gyre::server
