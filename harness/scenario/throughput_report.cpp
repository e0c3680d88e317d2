// What a throughput run found, for result files and for people.
#include <nlohmann/json.hpp>

#include "harness/report/text.hpp"
#include "harness/scenario/throughput_run.hpp"

namespace gyre::scenario {
namespace {

nlohmann::json to_json(const ThroughputPoint& point) {
  return {{"clients", point.clients},
          {"offered_per_second", point.offered},
          {"queries_per_second", point.per_second},
          {"wrong", point.wrong},
          {"refused", point.refused},
          {"first_refusal", point.first_refusal},
          {"latency", report::to_json(point.latency)},
          {"passes", point.passes},
          {"mean_queries_per_pass", point.mean_batch},
          {"mean_pass_seconds", point.mean_pass_seconds},
          {"loaded_pass_seconds", point.loaded_pass_seconds}};
}

nlohmann::json to_json(const std::vector<ThroughputPoint>& points) {
  nlohmann::json all = nlohmann::json::array();
  for (const ThroughputPoint& point : points) all.push_back(to_json(point));
  return all;
}

bool meets_gain(const ThroughputPlan& plan, const ThroughputFigures& figures) {
  return !plan.min_gain || figures.gain() >= *plan.min_gain;
}

bool meets_p99(const ThroughputPlan& plan, const ThroughputFigures& figures) {
  return !plan.max_p99_passes || figures.p99_in_passes() <= *plan.max_p99_passes;
}

std::string asked(const char* bound, const std::optional<double>& value, bool met) {
  if (!value) return "";
  return std::string(", asked: ") + bound + report::decimal_text(*value, 1) +
         (met ? ", met" : ", NOT MET");
}

void add_points(const std::vector<ThroughputPoint>& points,
                std::vector<std::pair<std::string, std::string>>& rows) {
  for (const ThroughputPoint& point : points) {
    std::string text = report::decimal_text(point.per_second, 1) + " queries/s";
    if (point.offered > 0) text += " of " + report::decimal_text(point.offered, 1);
    text += ", " + report::decimal_text(point.mean_batch, 1) + " a pass; p50 " +
            report::duration_text(point.latency.p50) + ", p99 " +
            report::duration_text(point.latency.p99) + ", such a pass alone " +
            report::duration_text(point.loaded_pass_seconds);
    if (point.wrong + point.refused > 0) {
      text += "; WRONG: " + report::count_text(point.wrong) +
              ", refused: " + report::count_text(point.refused) + ", first with " +
              std::to_string(point.first_refusal);
    }
    rows.emplace_back(std::to_string(point.clients) + (point.clients == 1 ? " client" : " clients"),
                      std::move(text));
  }
}

}  // namespace

nlohmann::json to_json(const ThroughputPlan& plan, const ThroughputFigures& figures) {
  return {{"kind", "measured"},
          {"table_bytes", figures.table_bytes},
          {"row_bytes", figures.row_bytes},
          {"kernel", figures.kernel},
          {"expansion_kernel", figures.expansion_kernel},
          {"threads", figures.threads},
          {"max_pass_queries", figures.max_pass_queries},
          {"pass_parts", figures.pass_parts},
          {"seconds_per_point", plan.seconds},
          {"closed", to_json(figures.closed)},
          {"open", to_json(figures.open)},
          {"closed_whole_passes", to_json(figures.closed_whole)},
          {"open_whole_passes", to_json(figures.open_whole)},
          {"gain", figures.gain()},
          {"p99_in_loaded_passes", figures.p99_in_passes()},
          {"knee_clients", figures.knee()},
          {"meets_what_is_asked", meets_gain(plan, figures) && meets_p99(plan, figures)}};
}

std::vector<std::pair<std::string, std::string>> table_rows(const ThroughputPlan& plan,
                                                            const ThroughputFigures& figures) {
  std::vector<std::pair<std::string, std::string>> rows;
  rows.emplace_back("One server over HTTP, " + report::bytes_text(figures.table_bytes) + " of " +
                        std::to_string(figures.row_bytes) + "-byte rows, " +
                        std::to_string(figures.threads) + " threads, kernel " + figures.kernel +
                        ", passes of " + std::to_string(figures.pass_parts) +
                        " parts: each client asks again once it is answered",
                    "");
  add_points(figures.closed, rows);
  rows.emplace_back("Queries that arrive by themselves (Poisson)", "");
  add_points(figures.open, rows);
  if (!figures.closed_whole.empty()) {
    rows.emplace_back("Where queries join only between passes: each client asks again", "");
    add_points(figures.closed_whole, rows);
    rows.emplace_back("Where queries join only between passes: Poisson", "");
    add_points(figures.open_whole, rows);
  }
  if (figures.closed.empty()) return rows;
  const std::string most = std::to_string(figures.closed.back().clients);
  rows.emplace_back("What that comes to", "");
  rows.emplace_back(
      "queries/s of " + most + " clients to " + std::to_string(figures.closed.front().clients),
      report::decimal_text(figures.gain(), 1) +
          asked("at least ", plan.min_gain, meets_gain(plan, figures)));
  rows.emplace_back("p99 of " + most + " clients, in passes of the same load",
                    report::decimal_text(figures.p99_in_passes(), 2) +
                        asked("at most ", plan.max_p99_passes, meets_p99(plan, figures)));
  rows.emplace_back("knee (most queries/s per median latency)",
                    std::to_string(figures.knee()) + " clients");
  return rows;
}

}  // namespace gyre::scenario
