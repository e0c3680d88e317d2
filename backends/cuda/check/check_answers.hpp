// Whether the GPU answers as the CPU does.
#pragma once

#include <cstdint>
#include <memory>

#include "backends/cuda/gpu.hpp"

namespace gyre::cuda {

struct AnswerCheck {
  std::uint64_t tables = 0;
  std::uint64_t queries = 0;
  std::uint64_t wrong = 0;  // tables of which anything was wrong
};

// So many tables of random shapes, rows, overlays and queries from that seed: answers with and
// without overlay, rows read back, an image with its updates folded in, by all three routes. Says
// on standard error what was wrong.
[[nodiscard]] AnswerCheck check_answers(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed,
                                        std::uint64_t tables, std::uint64_t most_bytes);

// Tables and passes that are chosen, not drawn, so that every kernel runs: each scan of each route,
// for 1, 8, 32 and 128 queries whose keys the GPU expands, one tier of expansion and two. Small
// enough for compute-sanitizer. Otherwise like check_answers().
[[nodiscard]] AnswerCheck check_every_kernel(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed);

}  // namespace gyre::cuda
