#include "harness/scenario/scenario_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <system_error>

#include "core/bytes.hpp"
#include "core/geometry.hpp"
#if defined(GYRE_FAULT_POINTS)
#include "fault_injection/plan.hpp"
#endif

namespace gyre::scenario {
namespace {

tl::unexpected<Error> wrong(const toml::node& node, std::string_view what) {
  return fail(ErrorCode::malformed_input, "line " + std::to_string(node.source().begin.line) +
                                              " of the scenario file " + std::string(what));
}

// Reads the members of one table; remembers the first thing that was wrong.
class Reader {
 public:
  Reader(const toml::table& table, std::initializer_list<std::string_view> known) : table_(table) {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
        refuse(node, "has a key that is not known here");
      }
    }
  }

  [[nodiscard]] std::optional<std::string> text(std::string_view key) {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    auto value = node->value_exact<std::string>();
    if (!value) refuse(*node, "needs a text");
    return value;
  }

  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least,
                                                    std::uint64_t most) {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    return bounded(*node, least, most);
  }

  [[nodiscard]] std::vector<std::uint32_t> numbers(std::string_view key, std::uint32_t least,
                                                   std::uint32_t most) {
    std::vector<std::uint32_t> values;
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return values;
    const toml::array* const items = node->as_array();
    if (items == nullptr || items->empty()) {
      refuse(*node, "needs a list of numbers");
      return values;
    }
    for (const auto& item : *items) {
      values.push_back(static_cast<std::uint32_t>(bounded(item, least, most).value_or(least)));
    }
    return values;
  }

  [[nodiscard]] std::optional<double> share(std::string_view key) {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    return bounded_share(*node);
  }

  [[nodiscard]] std::optional<double> factor(std::string_view key) {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    constexpr double most = 1'000'000;
    const auto value = node->value_exact<double>();
    if (value && *value > 0 && *value <= most) return value;
    refuse(*node, "needs a number with a point, above 0.0, to 1000000.0");
    return std::nullopt;
  }

  [[nodiscard]] std::optional<bool> truth(std::string_view key) {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    auto value = node->value_exact<bool>();
    if (!value) refuse(*node, "needs true or false");
    return value;
  }

  [[nodiscard]] std::vector<double> shares(std::string_view key) {
    std::vector<double> values;
    const toml::node* const node = table_.get(key);
    if (node == nullptr) return values;
    const toml::array* const items = node->as_array();
    if (items == nullptr) {
      refuse(*node, "needs a list of numbers");
      return values;
    }
    for (const auto& item : *items) values.push_back(bounded_share(item).value_or(0));
    return values;
  }

  void require(bool present, std::string_view key) {
    if (!present) refuse(table_, "opens a table that needs " + std::string(key));
  }

  void refuse(const toml::node& node, std::string_view what) {
    if (!failure_) failure_ = wrong(node, what).value();
  }

  [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  std::optional<std::uint64_t> bounded(const toml::node& node, std::uint64_t least,
                                       std::uint64_t most) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) < least ||
        static_cast<std::uint64_t>(*value) > most) {
      refuse(node,
             "needs a whole number from " + std::to_string(least) + " to " + std::to_string(most));
      return std::nullopt;
    }
    return static_cast<std::uint64_t>(*value);
  }

  std::optional<double> bounded_share(const toml::node& node) {
    const auto value = node.value_exact<double>();
    if (!value || !(*value >= 0 && *value <= 1)) {
      refuse(node, "needs a number with a point, from 0.0 to 1.0");
      return std::nullopt;
    }
    return value;
  }

  const toml::table& table_;
  std::optional<Error> failure_;
};

Result<LookupPlan> read_lookup(const toml::table& table, const std::filesystem::path& directory) {
  Reader reader(table, {"input", "expected", "value", "block_number", "state_root", "backend",
                        "most_keys", "absent", "clients"});
  LookupPlan plan;
  const auto input = reader.text("input");
  reader.require(input.has_value(), "input");
  plan.input = directory / input.value_or("");
  if (const auto expected = reader.text("expected")) plan.expected = directory / *expected;
  if (const auto value = reader.text("value");
      value && *value != name(ValueKind::ethereum_account)) {
    reader.refuse(*table.get("value"), "needs \"ethereum-account\", the one kind that is compared");
  }
  constexpr std::uint64_t most = std::uint64_t{1} << 40U;
  plan.block_number = reader.number("block_number", 0, most);
  if (const auto root = reader.text("state_root")) {
    Bytes32 bytes{};
    if (from_hex(*root, bytes)) {
      plan.state_root = bytes;
    } else {
      reader.refuse(*table.get("state_root"), "needs 64 hex digits");
    }
  }
  plan.backend = reader.text("backend").value_or(plan.backend);
  plan.most_keys = reader.number("most_keys", 0, most).value_or(0);
  plan.absent = reader.number("absent", 0, most).value_or(0);
  plan.clients = static_cast<unsigned>(reader.number("clients", 1, 256).value_or(1));
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());
  return plan;
}

Result<ScanPlan> read_scan(const toml::table& table) {
  Reader reader(table, {"table_bytes", "row_bytes", "threads", "repetitions", "min_ratio",
                        "max_expansion_share"});
  ScanPlan plan;
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;
  plan.table_bytes = reader.number("table_bytes", mebibyte, mebibyte << 20U).value_or(0);
  plan.row_bytes = reader.numbers("row_bytes", Geometry::min_row_bytes, Geometry::max_row_bytes);
  reader.require(plan.table_bytes != 0, "table_bytes");
  reader.require(!plan.row_bytes.empty(), "row_bytes");
  plan.threads = static_cast<unsigned>(reader.number("threads", 0, 4096).value_or(0));
  plan.repetitions =
      static_cast<unsigned>(reader.number("repetitions", 1, 10'000).value_or(plan.repetitions));
  plan.min_ratio = reader.shares("min_ratio");
  if (!plan.min_ratio.empty() && plan.min_ratio.size() != plan.row_bytes.size()) {
    reader.refuse(*table.get("min_ratio"), "needs as many numbers as row_bytes has");
  }
  plan.max_expansion_share = reader.share("max_expansion_share");
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());
  return plan;
}

Result<RotatePlan> read_rotate(const toml::table& table) {
  Reader reader(table, {"table_bytes", "rotations", "batches", "batch_rows", "backend", "clients",
                        "load_share", "samples", "beside_download", "large_bytes"});
  RotatePlan plan;
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;
  const auto count = [&](std::string_view key, unsigned& into, unsigned least, unsigned most) {
    into = static_cast<unsigned>(reader.number(key, least, most).value_or(into));
  };
  plan.table_bytes = reader.number("table_bytes", mebibyte / 8, mebibyte << 12U).value_or(0);
  reader.require(plan.table_bytes != 0, "table_bytes");
  count("rotations", plan.rotations, 1, 1000);
  count("batches", plan.batches, 1, 100'000);
  count("batch_rows", plan.batch_rows, 1, 65'536);
  count("clients", plan.clients, 1, 64);
  plan.backend = reader.text("backend").value_or(plan.backend);
  plan.load_share = reader.share("load_share").value_or(plan.load_share);
  plan.samples = reader.number("samples", 1, 10'000'000).value_or(plan.samples);
  plan.beside_download = reader.truth("beside_download").value_or(plan.beside_download);
  plan.large_bytes = reader.number("large_bytes", 0, mebibyte << 14U).value_or(0);
  if (plan.batches < 4 * plan.rotations) {
    reader.refuse(table, "opens a table that needs four batches for each rotation");
  }
  if (plan.load_share <= 0) reader.refuse(table, "opens a table that needs a load above 0.0");
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());
  return plan;
}

Result<ThroughputPlan> read_throughput(const toml::table& table) {
  Reader reader(
      table, {"table_bytes", "row_bytes", "clients", "seconds", "open_share", "threads",
              "max_pass_queries", "pass_parts", "whole_passes_too", "min_gain", "max_p99_passes"});
  ThroughputPlan plan;
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;
  plan.table_bytes = reader.number("table_bytes", mebibyte, mebibyte << 14U).value_or(0);
  plan.row_bytes = static_cast<std::uint32_t>(
      reader.number("row_bytes", Geometry::min_row_bytes, Geometry::max_row_bytes)
          .value_or(plan.row_bytes));
  plan.clients = reader.numbers("clients", 1, 512);
  reader.require(plan.table_bytes != 0, "table_bytes");
  reader.require(!plan.clients.empty(), "clients");
  if (!std::is_sorted(plan.clients.begin(), plan.clients.end())) {
    reader.refuse(*table.get("clients"), "needs the fewest clients first");
  }
  plan.seconds = static_cast<unsigned>(reader.number("seconds", 1, 600).value_or(plan.seconds));
  plan.open_share = reader.share("open_share").value_or(plan.open_share);
  plan.threads = static_cast<unsigned>(reader.number("threads", 0, 4096).value_or(0));
  plan.max_pass_queries =
      static_cast<std::uint32_t>(reader.number("max_pass_queries", 0, 1024).value_or(0));
  plan.pass_parts =
      static_cast<unsigned>(reader.number("pass_parts", 1, 1024).value_or(plan.pass_parts));
  plan.whole_passes_too = reader.truth("whole_passes_too").value_or(plan.whole_passes_too);
  plan.min_gain = reader.factor("min_gain");
  plan.max_p99_passes = reader.factor("max_p99_passes");
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());
  return plan;
}

Result<FaultPlans> read_faults(const toml::table& table) {
  Reader reader(table, {"both", "server_0", "server_1"});
#if defined(GYRE_FAULT_POINTS)
  const auto plan = [&](std::string_view key) {
    auto text = reader.text(key);
    if (!text) return text;
    const auto parsed = fault_injection::parse_plan(*text);
    if (!parsed) {
      reader.refuse(*table.get(key), "has a fault plan that is none: " + parsed.error().message);
    } else if (parsed->points.empty()) {
      reader.refuse(*table.get(key), "needs a fault plan in which something happens");
    }
    return text;
  };
  const auto both = plan("both");
  const FaultPlans plans = {plan("server_0").value_or(both.value_or("")),
                            plan("server_1").value_or(both.value_or(""))};
  reader.require(!plans[0].empty() || !plans[1].empty(), "both, server_0 or server_1");
  if (both && table.size() > 1) {
    reader.refuse(table, "opens a table that needs either both, or server_0 and server_1");
  }
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());
  return plans;
#else
  reader.refuse(table,
                "opens a table of fault plans, but the servers of this build take none; build with "
                "-Dfault_points=true, or take the table out");
  return tl::unexpected<Error>(*reader.failure());
#endif
}

// Lets what `changes` says replace values of `table`, into sub-tables.
void merge(toml::table& table, const toml::table& changes) {
  for (const auto& [key, node] : changes) {
    auto* const old_table = table[key.str()].as_table();
    const auto* const new_table = node.as_table();
    if (old_table != nullptr && new_table != nullptr) {
      merge(*old_table, *new_table);
    } else {
      table.insert_or_assign(key.str(), node);
    }
  }
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

Result<ScenarioFile> read_scenario_file(const std::filesystem::path& path, bool smoke) {
  toml::table file;
  try {
    file = toml::parse_file(path.string());
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    if (line == 0) return fail(ErrorCode::io_failed, "the scenario file cannot be read");
    return fail(ErrorCode::malformed_input,
                "line " + std::to_string(line) + " of the scenario file is not valid TOML");
  }
  if (const auto* const changes = file["smoke"].as_table(); changes != nullptr && smoke) {
    const toml::table copy = *changes;
    merge(file, copy);
  }

  Reader reader(file,
                {"name", "title", "lookup", "scan", "rotate", "throughput", "faults", "smoke"});
  ScenarioFile scenario;
  scenario.name = reader.text("name").value_or("");
  scenario.title = reader.text("title").value_or(scenario.name);
  if (!is_name(scenario.name)) {
    reader.refuse(file,
                  "begins a scenario that needs a name of lower-case letters, digits and hyphens");
  }
  if (reader.failure()) return tl::unexpected<Error>(*reader.failure());

  if (const auto* const table = file["lookup"].as_table()) {
    auto plan = read_lookup(*table, path.parent_path());
    if (!plan) return forward_error(plan);
    scenario.lookup = std::move(*plan);
  }
  if (const auto* const table = file["scan"].as_table()) {
    auto plan = read_scan(*table);
    if (!plan) return forward_error(plan);
    scenario.scan = std::move(*plan);
  }
  if (const auto* const table = file["rotate"].as_table()) {
    auto plan = read_rotate(*table);
    if (!plan) return forward_error(plan);
    scenario.rotate = std::move(*plan);
  }
  if (const auto* const table = file["throughput"].as_table()) {
    auto plan = read_throughput(*table);
    if (!plan) return forward_error(plan);
    scenario.throughput = std::move(*plan);
  }
  if (!scenario.lookup && !scenario.scan && !scenario.rotate && !scenario.throughput) {
    return fail(ErrorCode::malformed_input,
                "the scenario file needs a table [lookup], [scan], [rotate] or [throughput]");
  }
  if (const auto* const table = file["faults"].as_table()) {
    if (!scenario.lookup && !scenario.rotate) {
      return wrong(*table,
                   "opens a table of fault plans, but only [lookup] and [rotate] start servers "
                   "that could take one");
    }
    auto plans = read_faults(*table);
    if (!plans) return forward_error(plans);
    scenario.faults = std::move(*plans);
    if (scenario.lookup) scenario.lookup->faults = scenario.faults;
    if (scenario.rotate) scenario.rotate->faults = scenario.faults;
  }
  return scenario;
}

}  // namespace gyre::scenario
