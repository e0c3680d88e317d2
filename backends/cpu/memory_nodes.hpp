// The memory nodes (NUMA) of a machine: which processors have which memory near.
#pragma once

#include <sched.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/cpu/thread_pinning.hpp"

namespace gyre::cpu {

// Processors as the kernel lists them, "0-3,8,10-11"; an empty list has none. Nothing where it is
// malformed; processors that a cpu_set_t has no room for are left out. Pure.
[[nodiscard]] std::optional<cpu_set_t> parse_processor_list(std::string_view text) noexcept;

// The node of part number `part` of what lies on all nodes in equal shares, one behind the other.
[[nodiscard]] constexpr unsigned node_of_part(std::uint64_t part, std::uint64_t parts,
                                              unsigned nodes) noexcept {
  return static_cast<unsigned>(part * nodes / parts);
}

// A value; its functions are thread-safe.
class MemoryNodes {
 public:
  // Machines with more are taken for machines without any.
  static constexpr unsigned max_count = 64;

  // REQUIRES: 1 to max_count nodes.
  explicit MemoryNodes(std::vector<Processors> nodes) noexcept : nodes_(std::move(nodes)) {}

  // Those in which this process has processors to run on. Throws std::bad_alloc.
  [[nodiscard]] static MemoryNodes of_this_process();
  // Those that the directory describes (as /sys/devices/system/node does), as far as they have
  // processors of `allowed`. One node with all of them where the directory says nothing, or what
  // cannot be. Throws std::bad_alloc.
  [[nodiscard]] static MemoryNodes read(const std::filesystem::path& directory,
                                        const Processors& allowed);

  // At least one.
  [[nodiscard]] unsigned count() const noexcept { return static_cast<unsigned>(nodes_.size()); }
  [[nodiscard]] const Processors& processors(unsigned node) const noexcept { return nodes_[node]; }
  // The node of the calling thread's processor at this moment; the first where that is not known.
  [[nodiscard]] unsigned of_this_thread() const noexcept;

 private:
  std::vector<Processors> nodes_;
};

}  // namespace gyre::cpu
