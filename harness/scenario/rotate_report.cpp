// What a rotation scenario found, for programs and for people.
#include <nlohmann/json.hpp>

#include "harness/report/text.hpp"
#include "harness/scenario/rotate_run.hpp"

namespace gyre::scenario {
namespace {

double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

std::string percentiles_text(const report::Percentiles& latency) {
  using report::duration_text;
  if (latency.samples == 0) return "not measured";
  return duration_text(latency.p50) + " / " + duration_text(latency.p90) + " / " +
         duration_text(latency.p99) + " / " + duration_text(latency.max) + " (" +
         report::count_text(latency.samples) + ")";
}

}  // namespace

double LargeRotation::memory_ratio() const {
  return ratio(static_cast<double>(peak_bytes), static_cast<double>(table_bytes));
}

double LargeRotation::ingest_ratio() const {
  return ratio(download_seconds, seconds);
}

bool RotateFigures::all_right() const noexcept {
  return failed == 0 && inconsistent == 0 && converged && lookups > 0;
}

nlohmann::json to_json(const RotateFigures& figures) {
  nlohmann::json phases = nlohmann::json::object();
  for (const auto& [name, seconds] : figures.phases) phases[name] = report::to_json(seconds);
  nlohmann::json document = {
      {"kind", "measured"},
      {"backend", figures.backend},
      {"keys", figures.keys},
      {"row_bytes", figures.row_bytes},
      {"capacity_per_second", figures.capacity},
      {"offered_per_second", figures.offered},
      {"lookups", figures.lookups},
      {"failed", figures.failed},
      {"first_failure", figures.first_failure},
      {"inconsistent", figures.inconsistent},
      {"first_inconsistency", figures.first_inconsistency},
      {"epoch_gone_retries", figures.gone},
      {"rotations", figures.rotations},
      {"batches", figures.batches},
      {"epochs_answered_from", figures.epochs_seen},
      {"converged", figures.converged},
      {"latency_at_rest", report::to_json(figures.at_rest)},
      {"latency_beside_download", report::to_json(figures.beside_download)},
      {"latency_rotating", report::to_json(figures.rotating)},
      {"p99_rotating_to_at_rest", ratio(figures.rotating.p99, figures.at_rest.p99)},
      {"p99_rotating_to_beside_download", ratio(figures.rotating.p99, figures.beside_download.p99)},
      {"batch_seconds", report::to_json(figures.batch)},
      {"rotation_seconds", report::to_json(figures.rotation)},
      {"phase_seconds", std::move(phases)},
  };
  if (figures.large.table_bytes > 0) {
    const LargeRotation& large = figures.large;
    document["large"] = {{"table_bytes", large.table_bytes},
                         {"peak_resident_bytes", large.peak_bytes},
                         {"peak_to_table", large.memory_ratio()},
                         {"rotation_seconds", large.seconds},
                         {"download_and_digest_seconds", large.download_seconds},
                         {"ingest_to_download", large.ingest_ratio()}};
  }
  return document;
}

std::vector<std::pair<std::string, std::string>> table_rows(const RotateFigures& figures) {
  using report::count_text;
  using report::decimal_text;
  std::vector<std::pair<std::string, std::string>> rows = {
      {"Rotations and updates under load, two servers on " + figures.backend, ""},
      {"lookups without an answer",
       count_text(figures.failed) + " of " + count_text(figures.lookups)},
      {"answers that are not what their epoch has", count_text(figures.inconsistent)},
      {"asked again because an epoch was gone", count_text(figures.gone)},
      {"epochs that answers came from", count_text(figures.epochs_seen)},
      {"rotations / batches", count_text(figures.rotations) + " / " + count_text(figures.batches)},
      {"both servers end in the planned epoch", figures.converged ? "yes" : "NO"},
      {"lookups a second, offered / at most",
       decimal_text(figures.offered, 1) + " / " + decimal_text(figures.capacity, 1)},
      {"latency p50 / p90 / p99 / max (samples), at rest", percentiles_text(figures.at_rest)},
  };
  if (figures.beside_download.samples > 0) {
    rows.emplace_back("  beside curl | sha256sum", percentiles_text(figures.beside_download));
  }
  rows.emplace_back("  rotating", percentiles_text(figures.rotating));
  rows.emplace_back("p99 rotating to at rest",
                    decimal_text(ratio(figures.rotating.p99, figures.at_rest.p99), 2));
  if (figures.beside_download.samples > 0) {
    rows.emplace_back("p99 rotating to beside curl | sha256sum",
                      decimal_text(ratio(figures.rotating.p99, figures.beside_download.p99), 2));
  }
  rows.emplace_back("a batch, sent to acknowledged", percentiles_text(figures.batch));
  rows.emplace_back("a rotation, sent to answered", percentiles_text(figures.rotation));
  for (const auto& [name, seconds] : figures.phases) {
    rows.emplace_back("  " + name, percentiles_text(seconds));
  }
  if (figures.large.table_bytes > 0) {
    const LargeRotation& large = figures.large;
    rows.emplace_back("One rotation of " + report::bytes_text(large.table_bytes), "");
    rows.emplace_back(
        "most memory the server had, to the table's",
        report::bytes_text(large.peak_bytes) + ", " + decimal_text(large.memory_ratio(), 2));
    rows.emplace_back("seconds, rotation / curl | sha256sum",
                      decimal_text(large.seconds, 2) + " / " +
                          (large.download_seconds > 0 ? decimal_text(large.download_seconds, 2)
                                                      : std::string("not measured")));
  }
  if (!figures.first_failure.empty()) rows.emplace_back("first failure", figures.first_failure);
  if (!figures.first_inconsistency.empty()) {
    rows.emplace_back("first inconsistency", figures.first_inconsistency);
  }
  return rows;
}

}  // namespace gyre::scenario
