// How fast this machine reads memory: what a scan is held against.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/executor.hpp"
#include "core/error.hpp"

namespace gyre::bench {

// Reads every byte once with the widest loads the CPU has (AVX-512, AVX2, else 64-bit words),
// spread over the executor's threads in pieces of a few MiB, and returns the sum of all
// little-endian 64-bit words (bytes past the last whole word of a piece count alone), so that no
// load can be left out. Errors: the executor's.
[[nodiscard]] Result<std::uint64_t> read_all(cpu::Executor& executor,
                                             std::span<const std::span<const std::uint8_t>> memory);

}  // namespace gyre::bench
