// What must hold for every input of a fuzz target.
#pragma once

#include <cstdlib>

namespace gyre::fuzz {

// Ends the process, which the fuzzer records together with the input.
inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace gyre::fuzz
