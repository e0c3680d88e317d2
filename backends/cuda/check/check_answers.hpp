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
// without overlay, rows read back, an image with its updates folded in, by both routes. Says on
// standard error what was wrong.
[[nodiscard]] AnswerCheck check_answers(const std::shared_ptr<Gpu>& gpu, std::uint64_t seed,
                                        std::uint64_t tables, std::uint64_t most_bytes);

}  // namespace gyre::cuda
