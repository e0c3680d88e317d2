// A snapshot described for people.
#pragma once

#include <string>

#include "harness/snapshot/manifest.hpp"

namespace gyre::snapshot {

// A table of what is inside, from the manifest alone. Pure.
[[nodiscard]] std::string describe(const Manifest& manifest);

}  // namespace gyre::snapshot
