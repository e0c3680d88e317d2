// gyre run: runs scenarios, prints what they found and keeps it as a result file.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/random_source.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/termination.hpp"
#include "harness/report/machine.hpp"
#include "harness/report/progress_line.hpp"
#include "harness/report/result_file.hpp"
#include "harness/report/text.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/rotate_run.hpp"
#include "harness/scenario/scan_run.hpp"
#include "harness/scenario/scenario_file.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "harness/scenario/throughput_run.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

struct RunSettings {
  std::uint64_t seed = 0;
  bool smoke = false;
  std::filesystem::path results;
};

// Shows one progress line a phase.
class PhaseProgress {
 public:
  void operator()(std::string_view phase, std::uint64_t done, std::uint64_t total) {
    if (line_ == nullptr || phase != phase_) {
      line_.reset();
      phase_ = phase;
      line_ = std::make_unique<report::ProgressLine>(phase_);
    }
    line_->update(done, total);
  }
  void end() { line_.reset(); }

 private:
  std::string phase_;
  std::unique_ptr<report::ProgressLine> line_;
};

// This program as it can be typed here.
std::string program_text() {
  const auto own = scenario::own_program();
  std::error_code failed;
  const auto near = std::filesystem::proximate(own, failed);
  const std::string text = failed ? own.string() : near.string();
  return text.starts_with("..") ? own.string() : text;
}

// Runs one file; true if everything was right.
Result<bool> run_one(const std::filesystem::path& path, const RunSettings& settings) {
  // First of all, so that a crash has it too.
  std::cout << "Replay: " << program_text() << " run --seed " << settings.seed
            << (settings.smoke ? " --smoke " : " ") << path.string() << '\n';
  const auto file = scenario::read_scenario_file(path, settings.smoke);
  if (!file) return tl::unexpected<Error>(file.error());
  std::cout << file->title << "\nMachine: " << report::machine_line() << std::endl;

  nlohmann::json result = {{"scenario", file->name},
                           {"seed", settings.seed},
                           {"smoke", settings.smoke},
                           {"machine", report::describe_machine()}};
  std::vector<std::pair<std::string, std::string>> rows;
  bool right = true;
  PhaseProgress progress;
  const scenario::ProgressReport report_progress = std::ref(progress);
  if (file->lookup) {
    const auto figures = scenario::run_lookups(*file->lookup, settings.seed,
                                               scenario::own_program(), report_progress);
    progress.end();
    if (!figures) return tl::unexpected<Error>(figures.error());
    result["lookup"] = scenario::to_json(*figures);
    for (auto& row : scenario::table_rows(*figures)) rows.push_back(std::move(row));
    right = right && figures->all_right();
  }
  if (file->scan) {
    const auto figures = scenario::run_scans(*file->scan, settings.seed, report_progress);
    progress.end();
    if (!figures) return tl::unexpected<Error>(figures.error());
    result["scan"] = scenario::to_json(*file->scan, *figures);
    for (auto& row : scenario::table_rows(*file->scan, *figures)) rows.push_back(std::move(row));
  }
  if (file->rotate) {
    const auto figures = scenario::run_rotations(*file->rotate, settings.seed,
                                                 scenario::own_program(), report_progress);
    progress.end();
    if (!figures) return tl::unexpected<Error>(figures.error());
    result["rotate"] = scenario::to_json(*figures);
    for (auto& row : scenario::table_rows(*figures)) rows.push_back(std::move(row));
    right = right && figures->all_right();
  }
  if (file->throughput) {
    const auto figures =
        scenario::run_throughput(*file->throughput, settings.seed, report_progress);
    progress.end();
    if (!figures) return tl::unexpected<Error>(figures.error());
    result["throughput"] = scenario::to_json(*file->throughput, *figures);
    for (auto& row : scenario::table_rows(*file->throughput, *figures)) {
      rows.push_back(std::move(row));
    }
    right = right && figures->all_right();
  }
  if (!file->faults[0].empty() || !file->faults[1].empty()) result["faults"] = file->faults;
  result["all_right"] = right;
  std::cout << report::two_column_table(rows);
  const auto written = report::write_result(settings.results, file->name, result);
  if (!written) return tl::unexpected<Error>(written.error());
  std::cout << "\nResult: " << written->string() << std::endl;
  return right;
}

// A run that is stopped leaves no tables behind; its servers end with this process.
void stop_at_once() noexcept {
  scenario::remove_temporary_directories();
  std::cerr << "\ngyre run: stopped before it was done\n";
  std::_Exit(exit_failure);
}

Result<std::uint64_t> fresh_seed() {
  std::array<std::byte, 4> bytes{};
  SystemRandom random;
  if (auto filled = random.fill(bytes); !filled) return forward_error(filled);
  return load_little_endian<std::uint32_t>(bytes.data());
}

}  // namespace

int run_scenario(const std::vector<std::string>& arguments) {
  Options options("run", "[OPTIONS] SCENARIO...",
                  "Runs scenario files: starts what they describe on this machine, checks every "
                  "answer, measures, "
                  "prints a table\nand writes a result file.");
  options.add()("scenario", po::value<std::vector<std::string>>()->composing()->value_name("FILE"),
                "scenario files (TOML), in this order")(
      "seed", po::value<std::uint64_t>()->value_name("NUMBER"),
      "determines tables, absent keys and orders; a fresh one if not given")(
      "smoke", po::bool_switch(), "small sizes, for a quick check of the path")(
      "results", po::value<std::string>()->default_value("results")->value_name("DIRECTORY"),
      "where result files go");
  options.add_positional("scenario", -1);
  options.set_epilogue(
      "Exit codes: 0 all answers right; 1 an answer was wrong or missing, or the run failed or was "
      "stopped;\n2 usage. SIGINT or SIGTERM stops it; it leaves no files but results.");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);
  if (values.count("scenario") == 0) {
    std::cerr << "gyre run: name at least one scenario file, for example "
                 "scenarios/ethereum-genesis.toml\n";
    return exit_usage;
  }
  const Termination termination;  // before any other thread
  const std::stop_callback stopped(termination.token(), stop_at_once);
  RunSettings settings;
  settings.smoke = values["smoke"].as<bool>();
  settings.results = values["results"].as<std::string>();
  bool right = true;
  for (const auto& path : values["scenario"].as<std::vector<std::string>>()) {
    if (values.count("seed") != 0) {
      settings.seed = values["seed"].as<std::uint64_t>();
    } else {
      const auto seed = fresh_seed();
      if (!seed) return report_failure("run", seed.error().message);
      settings.seed = *seed;
    }
    const auto outcome = run_one(path, settings);
    if (!outcome) return report_failure("run", outcome.error().message);
    if (!*outcome) {
      std::cerr << "gyre run: an answer was wrong or missing; the table above says how many\n";
      right = false;
    }
  }
  return right ? exit_success : exit_failure;
}

}  // namespace gyre::cli
