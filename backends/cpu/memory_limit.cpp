#include "backends/cpu/memory_limit.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

namespace gyre::cpu {
namespace {

constexpr const char* mount_point = "/sys/fs/cgroup";

std::uint64_t physical_memory_bytes() noexcept {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return unlimited_bytes;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

// The line of version 2 is "0::/name".
std::string own_control_group() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

}  // namespace

std::uint64_t parse_memory_max(std::string_view text) noexcept {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::uint64_t bytes = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, bytes);
  return problem == std::errc{} && stop == end ? bytes : unlimited_bytes;
}

std::uint64_t control_group_limit_bytes(const std::filesystem::path& mount,
                                        const std::filesystem::path& group) {
  const auto limit_of = [](const std::filesystem::path& directory) {
    std::string text;
    std::getline(std::ifstream(directory / "memory.max"), text);
    return parse_memory_max(text);
  };
  std::filesystem::path directory = mount;
  std::uint64_t limit = limit_of(directory);
  for (const auto& part : group.relative_path()) {
    directory /= part;
    limit = std::min(limit, limit_of(directory));
  }
  return limit;
}

std::uint64_t available_memory_bytes() {
  return std::min(physical_memory_bytes(),
                  control_group_limit_bytes(mount_point, own_control_group()));
}

}  // namespace gyre::cpu
