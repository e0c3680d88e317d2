#include "backends/cpu/memory_nodes.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <map>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace gyre::cpu {
namespace {

constexpr const char* nodes_directory = "/sys/devices/system/node";
// Far more than a list of all the processors that a cpu_set_t has room for.
constexpr std::size_t most_list_bytes = std::size_t{64} << 10U;

std::optional<unsigned> take_number(std::string_view& text) noexcept {
  unsigned number = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

// The number of a node from the name of its directory.
std::optional<unsigned> node_number(std::string_view name) noexcept {
  constexpr std::string_view prefix = "node";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  const auto number = take_number(name);
  return name.empty() ? number : std::nullopt;
}

std::optional<cpu_set_t> read_processor_list(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text(most_list_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() || file.bad()) return std::nullopt;  // not there, not readable, or too long
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_processor_list(text);
}

// Each node's processors in the order of the nodes' numbers, or nothing if the directory is no
// description of nodes.
std::optional<std::vector<cpu_set_t>> read_nodes(const std::filesystem::path& directory) {
  std::map<unsigned, cpu_set_t> nodes;
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(directory, problem), end; entry != end;
       entry.increment(problem)) {
    const auto number = node_number(entry->path().filename().string());
    if (!number) continue;
    const auto processors = read_processor_list(entry->path() / "cpulist");
    if (!processors) return std::nullopt;
    nodes.emplace(*number, *processors);
  }
  if (problem) return std::nullopt;
  std::vector<cpu_set_t> sets;
  sets.reserve(nodes.size());
  for (const auto& [number, processors] : nodes) sets.push_back(processors);
  return sets;
}

}  // namespace

std::optional<cpu_set_t> parse_processor_list(std::string_view text) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  while (!text.empty()) {
    const auto first = take_number(text);
    if (!first) return std::nullopt;
    unsigned last = *first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      const auto stated = take_number(text);
      if (!stated || *stated < *first) return std::nullopt;
      last = *stated;
    }
    for (unsigned cpu = *first; cpu <= last && cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &set);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return set;
}

MemoryNodes MemoryNodes::of_this_process() {
  return read(nodes_directory, Processors());
}

MemoryNodes MemoryNodes::read(const std::filesystem::path& directory, const Processors& allowed) {
  const auto one_node = [&] { return MemoryNodes({allowed}); };
  const auto described = read_nodes(directory);
  if (!described) return one_node();
  std::vector<Processors> nodes;
  unsigned known = 0;
  cpu_set_t seen;
  CPU_ZERO(&seen);
  for (const cpu_set_t& set : *described) {
    cpu_set_t usable;
    CPU_AND(&usable, &set, &allowed.set());
    cpu_set_t twice;
    CPU_AND(&twice, &usable, &seen);
    if (CPU_COUNT(&twice) > 0) return one_node();
    CPU_OR(&seen, &seen, &usable);
    if (CPU_COUNT(&usable) == 0) continue;  // memory alone, or all of it forbidden to this process
    nodes.emplace_back(usable);
    known += nodes.back().count();
  }
  if (nodes.empty() || nodes.size() > max_count || known != allowed.count()) return one_node();
  return MemoryNodes(std::move(nodes));
}

unsigned MemoryNodes::of_this_thread() const noexcept {
  if (count() == 1) return 0;
  const int processor = sched_getcpu();
  for (unsigned node = 0; node < count(); ++node) {
    if (processor >= 0 && nodes_[node].has(static_cast<unsigned>(processor))) return node;
  }
  return 0;
}

}  // namespace gyre::cpu
