#include "harness/bench/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>

namespace gyre::bench {
namespace {

std::string text_of(const char* variable) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
  const char* const text = std::getenv(variable);
  return text != nullptr ? text : "";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> said_in_environment(std::string_view besides) {
  std::vector<std::pair<std::string, std::string>> said;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (text.rfind("GYRE_BENCH_", 0) != 0 || equals == std::string_view::npos) continue;
    if (text.substr(0, equals) == besides) continue;
    said.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return said;
}

std::uint64_t number_from_environment(const char* variable, std::uint64_t otherwise) {
  const std::uint64_t number = std::strtoull(text_of(variable).c_str(), nullptr, 10);
  return number != 0 ? number : otherwise;
}

std::vector<std::string> words_from_environment(const char* variable,
                                                std::vector<std::string> otherwise) {
  std::vector<std::string> words;
  std::istringstream text(text_of(variable));
  for (std::string word; std::getline(text, word, ',');) words.push_back(word);
  return words.empty() ? std::move(otherwise) : words;
}

std::vector<std::uint64_t> numbers_from_environment(const char* variable,
                                                    std::vector<std::uint64_t> otherwise) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& word : words_from_environment(variable, {})) {
    numbers.push_back(std::strtoull(word.c_str(), nullptr, 10));
  }
  return numbers.empty() ? std::move(otherwise) : numbers;
}

Geometry geometry_for(std::uint32_t row_bytes, std::uint64_t table_bytes) {
  row_bytes = std::clamp(row_bytes, Geometry::min_row_bytes, Geometry::max_row_bytes);
  const std::uint32_t rows_per_page = Geometry::default_rows_per_page(row_bytes);
  const std::uint64_t pages =
      table_bytes / (std::uint64_t{rows_per_page} * std::uint64_t{row_bytes});
  return {.rows = std::max<std::uint64_t>(1, pages) * rows_per_page,
          .row_bytes = row_bytes,
          .rows_per_page = rows_per_page};
}

}  // namespace gyre::bench
