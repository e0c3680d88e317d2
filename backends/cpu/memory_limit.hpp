// How much memory this process may have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace gyre::cpu {

// "No limit."
inline constexpr std::uint64_t unlimited_bytes = ~std::uint64_t{0};

// What a control group (version 2) says in its memory.max: a number of bytes, or `max`. Anything
// else is no limit. Pure.
[[nodiscard]] std::uint64_t parse_memory_max(std::string_view text) noexcept;

// The smallest memory.max of the group of that name (as /proc/self/cgroup has it after "0::") and
// of all groups it is in, under the mount point. Groups without such a file limit nothing.
[[nodiscard]] std::uint64_t control_group_limit_bytes(const std::filesystem::path& mount_point,
                                                      const std::filesystem::path& group);

// The machine's memory, or what this process's control group allows if that is less. Thread-safe.
// Throws std::bad_alloc.
[[nodiscard]] std::uint64_t available_memory_bytes();

}  // namespace gyre::cpu
