#include "harness/report/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace gyre::report {

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // Not 1024: 1023.999 MiB would be printed as 1024.00 MiB.
  while (value >= 1023.995 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, units[unit]);
}

std::string duration_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.2f} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.1f} us", seconds * 1e6);
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string decimal_text(double value, int digits) {
  return fmt::format("{:.{}f}", value, digits);
}

std::string two_column_table(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t widest = 0;
  for (const auto& [label, value] : rows) {
    if (!value.empty()) widest = std::max(widest, label.size());
  }
  std::string text;
  for (const auto& [label, value] : rows) {
    text += value.empty() ? fmt::format("\n{}\n", label)
                          : fmt::format("  {:<{}}  {}\n", label, widest, value);
  }
  return text;
}

}  // namespace gyre::report
