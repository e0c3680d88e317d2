#include "harness/report/machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/cpu_features.hpp"
#include "harness/report/text.hpp"
#include "harness/version.hpp"

namespace gyre::report {
namespace {

std::string cpu_model() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("model name")) continue;
    const auto colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::uint64_t memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return 0;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

long online_cpus() {
  return ::sysconf(_SC_NPROCESSORS_ONLN);
}

std::string operating_system() {
  utsname names{};
  if (::uname(&names) != 0) return "unknown";
  return std::string(names.sysname) + " " + names.release;
}

std::string transparent_huge_pages() {
  std::ifstream setting("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  if (!std::getline(setting, line)) return "unknown";
  const auto open = line.find('[');
  const auto close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "unknown";
  return line.substr(open + 1, close - open - 1);
}

}  // namespace

nlohmann::json describe_machine() {
  return {
      {"cpu", cpu_model()},
      {"cpus_online", online_cpus()},
      {"cpu_features", describe(cpu_features())},
      {"memory_bytes", memory_bytes()},
      {"operating_system", operating_system()},
      {"transparent_huge_pages", transparent_huge_pages()},
      {"commit", source_commit()},
      {"build", build_description()},
  };
}

std::string machine_line() {
  return std::to_string(online_cpus()) + " x " + cpu_model() + ", " + bytes_text(memory_bytes()) +
         ", " + operating_system();
}

}  // namespace gyre::report
