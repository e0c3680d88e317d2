#include "harness/report/figures.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace gyre::report {
namespace {

using Json = nlohmann::json;

constexpr std::uintmax_t most_file_bytes = std::uintmax_t{64} << 20U;
constexpr unsigned deepest_nesting = 16;

constexpr std::string_view lowest_suffix = "_lowest";
constexpr std::string_view highest_suffix = "_highest";

tl::unexpected<Error> no_result() {
  return fail(ErrorCode::malformed_input,
              "a result is what gyre run or a benchmark wrote: JSON with measured figures");
}

std::string text_or(const Json& object, const char* member, const char* otherwise) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::optional<double> number_in(const Json& object, const std::string& member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

// What describes a run rather than being measured in it.
bool describes(std::string_view member) {
  constexpr std::array<std::string_view, 16> names = {
      "machine",          "seed",    "repetitions", "rows",
      "row_bytes",        "threads", "iterations",  "table_bytes",
      "family_index",     "samples", "smoke",       "repetition_index",
      "queries_per_pass", "clients", "keys",        "per_family_instance_index"};
  return std::find(names.begin(), names.end(), member) != names.end();
}

// What tells an element of a list from the others: "clients=4", "row_bytes=32,threads=2", or its
// position where it says nothing of the kind. So elements keep their names when others come or go.
std::string identity_of(const Json& element, std::size_t position) {
  constexpr std::array<const char*, 6> identifying = {"clients", "row_bytes", "table_bytes",
                                                      "threads", "keys",      "queries_per_pass"};
  std::string identity;
  for (const char* const member : identifying) {
    const auto found = element.find(member);
    if (found == element.end() || !found->is_number()) continue;
    if (!identity.empty()) identity += ',';
    identity.append(member).append("=").append(found->dump());
  }
  return identity.empty() ? std::to_string(position) : identity;
}

// The names of a list's elements, all different: "#2" behind that of the second of its kind.
std::vector<std::string> identities_in(const Json& list) {
  std::vector<std::string> identities;
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string identity = list[i].is_object() ? identity_of(list[i], i) : std::to_string(i);
    const std::size_t times = ++seen[identity];
    if (times > 1) identity.append("#").append(std::to_string(times));
    identities.push_back(std::move(identity));
  }
  return identities;
}

// Every number beneath a value, under its path.
void collect(const Json& value, const std::string& path, unsigned depth,
             std::vector<Figure>& figures) {
  if (depth > deepest_nesting) return;
  if (value.is_number()) {
    figures.push_back({.name = path, .value = value.get<double>()});
  } else if (value.is_array()) {
    const std::vector<std::string> identities = identities_in(value);
    for (std::size_t i = 0; i < value.size(); ++i) {
      std::string element = path;
      element.append("[").append(identities[i]).append("]");
      collect(value[i], element, depth + 1, figures);
    }
  } else if (value.is_object()) {
    const auto median = number_in(value, "median");
    if (median && value.contains("lowest") && value.contains("highest")) {
      figures.push_back({.name = path,
                         .value = *median,
                         .lowest = number_in(value, "lowest"),
                         .highest = number_in(value, "highest")});
      return;
    }
    for (const auto& [name, member] : value.items()) {
      if (describes(name)) continue;
      std::string under = path;
      if (!under.empty()) under.append(".");
      collect(member, under.append(name), depth + 1, figures);
    }
  }
}

// One benchmark with all its repetitions.
struct Benchmark {
  std::vector<std::string> counters;  // in the order of the file
  std::map<std::string, std::vector<double>> values;
};

void add_repetition(const Json& run, Benchmark& benchmark) {
  for (const auto& [name, value] : run.items()) {
    if (!value.is_number() || describes(name)) continue;
    if (benchmark.values.count(name) == 0) benchmark.counters.push_back(name);
    benchmark.values[name].push_back(value.get<double>());
  }
}

bool is_bound_of_another(const Benchmark& benchmark, std::string_view counter) {
  for (const std::string_view suffix : {lowest_suffix, highest_suffix}) {
    if (counter.size() > suffix.size() &&
        counter.substr(counter.size() - suffix.size()) == suffix) {
      return benchmark.values.count(
                 std::string(counter.substr(0, counter.size() - suffix.size()))) != 0;
    }
  }
  return false;
}

Figure figure_of(const std::string& name, const std::string& counter, const Benchmark& benchmark) {
  std::vector<double> values = benchmark.values.at(counter);
  std::sort(values.begin(), values.end());
  Figure figure{.name = name + ": " + counter,
                .value = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2};
  const auto bound = [&](std::string_view suffix, bool least) {
    const auto found = benchmark.values.find(counter + std::string(suffix));
    if (found != benchmark.values.end()) {
      const auto [low, high] = std::minmax_element(found->second.begin(), found->second.end());
      return std::optional(least ? *low : *high);
    }
    return values.size() > 1 ? std::optional(least ? values.front() : values.back()) : std::nullopt;
  };
  figure.lowest = bound(lowest_suffix, true);
  figure.highest = bound(highest_suffix, false);
  return figure;
}

Result<ResultFigures> figures_of_benchmarks(const Json& document) {
  ResultFigures result;
  if (const auto context = document.find("context");
      context != document.end() && context->is_object()) {
    result.origin = "commit " + text_or(*context, "commit", "unknown") + ", " +
                    text_or(*context, "date", "unknown date");
  }
  std::vector<std::string> order;
  std::map<std::string, Benchmark> benchmarks;
  for (const Json& run : document["benchmarks"]) {
    if (!run.is_object()) return no_result();
    if (text_or(run, "run_type", "iteration") != "iteration" || run.contains("error_occurred")) {
      continue;
    }
    const std::string name = text_or(run, "run_name", text_or(run, "name", "unnamed").c_str());
    if (benchmarks.count(name) == 0) order.push_back(name);
    add_repetition(run, benchmarks[name]);
  }
  for (const std::string& name : order) {
    const Benchmark& benchmark = benchmarks[name];
    for (const std::string& counter : benchmark.counters) {
      if (is_bound_of_another(benchmark, counter)) continue;
      result.figures.push_back(figure_of(name, counter, benchmark));
    }
  }
  if (result.figures.empty()) return no_result();
  return result;
}

}  // namespace

Result<ResultFigures> figures_of(const Json& document) {
  if (!document.is_object()) return no_result();
  const auto benchmarks = document.find("benchmarks");
  if (benchmarks != document.end() && benchmarks->is_array()) {
    return figures_of_benchmarks(document);
  }
  ResultFigures result;
  if (const auto machine = document.find("machine");
      machine != document.end() && machine->is_object()) {
    result.origin = text_or(*machine, "cpu", "unknown CPU") + ", " +
                    text_or(*machine, "build", "unknown build");
  }
  collect(document, "", 0, result.figures);
  if (result.figures.empty()) return no_result();
  return result;
}

Result<ResultFigures> read_figures(const std::filesystem::path& path) {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  if (failed) return fail(ErrorCode::io_failed, "a result file cannot be read");
  if (bytes > most_file_bytes) {
    return fail(ErrorCode::malformed_input, "a result file may have at most 64 MiB");
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof())
    return fail(ErrorCode::io_failed, "a result file cannot be read");
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) return no_result();
  return figures_of(document);
}

}  // namespace gyre::report
