// For steps whose threads have a task each that depends on no other.
#pragma once

#include <cstdint>

#include "backends/cuda/on_device.hpp"

namespace gyre::cuda {

inline constexpr unsigned threads_of_tasks = 128;

[[nodiscard]] constexpr std::uint64_t blocks_of_tasks(std::uint64_t tasks) noexcept {
  return (tasks + threads_of_tasks - 1) / threads_of_tasks;
}

// The block's share of all tasks: work(task) for each.
template <typename Crew, typename Work>
GYRE_ON_DEVICE void for_each_task(Crew& crew, std::uint64_t block, std::uint64_t tasks,
                                  const Work& work) {
  crew.for_each(threads_of_tasks, [&](std::uint64_t thread) {
    const std::uint64_t task = block * threads_of_tasks + thread;
    if (task < tasks) work(task);
  });
}

// A task of those that add records into words: a word of the sum, and of the records every
// slices-th from `slice` on.
struct SlicedTask {
  std::uint64_t word;
  std::uint64_t slice;
  std::uint64_t query;

  [[nodiscard]] static constexpr SlicedTask of(std::uint64_t task, std::uint64_t words,
                                               std::uint64_t slices) noexcept {
    return {task % words, task / words % slices, task / words / slices};
  }
};

}  // namespace gyre::cuda
