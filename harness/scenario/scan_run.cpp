#include "harness/scenario/scan_run.hpp"

#include <nlohmann/json.hpp>

#include "core/geometry.hpp"
#include "harness/report/text.hpp"

namespace gyre::scenario {
namespace {

nlohmann::json to_json(const bench::Spread& spread) {
  return {{"median", spread.median}, {"lowest", spread.lowest}, {"highest", spread.highest}};
}

std::string with_spread(const bench::Spread& spread, int digits) {
  return report::decimal_text(spread.median, digits) + " (" +
         report::decimal_text(spread.lowest, digits) + " to " +
         report::decimal_text(spread.highest, digits) + ")";
}

std::string asked(bool at_least, double bound, bool met) {
  return std::string(", asked: at ") + (at_least ? "least " : "most ") +
         report::decimal_text(bound, 2) + (met ? ", met" : ", NOT MET");
}

bool meets_ratio(const ScanPlan& plan, const bench::ScanFigures& figures, std::size_t i) {
  return plan.min_ratio.empty() || figures.ratio.median >= plan.min_ratio[i];
}

bool meets_expansion_share(const ScanPlan& plan, const bench::ScanFigures& figures) {
  return !plan.max_expansion_share || figures.expansion_share <= *plan.max_expansion_share;
}

}  // namespace

bool meets(const ScanPlan& plan, const bench::ScanFigures& figures, std::size_t i) {
  return meets_ratio(plan, figures, i) && meets_expansion_share(plan, figures);
}

Result<std::vector<bench::ScanFigures>> run_scans(const ScanPlan& plan, std::uint64_t seed,
                                                  const ProgressReport& progress) {
  std::vector<bench::ScanFigures> all;
  for (const std::uint32_t row_bytes : plan.row_bytes) {
    progress("scanning", all.size(), plan.row_bytes.size());
    const std::uint32_t rows_per_page = Geometry::default_rows_per_page(row_bytes);
    const std::uint64_t page_bytes = std::uint64_t{row_bytes} * rows_per_page;
    const auto geometry =
        Geometry::create(plan.table_bytes / page_bytes * rows_per_page, row_bytes, rows_per_page);
    if (!geometry) return tl::unexpected<Error>(geometry.error());
    bench::ScanPlan measurement;
    measurement.geometry = *geometry;
    measurement.backend.threads = plan.threads;
    measurement.repetitions = plan.repetitions;
    measurement.seed = seed;
    auto figures = bench::measure_single_query_scan(measurement);
    if (!figures) return forward_error(figures);
    all.push_back(std::move(*figures));
  }
  progress("scanning", all.size(), plan.row_bytes.size());
  return all;
}

nlohmann::json to_json(const ScanPlan& plan, const std::vector<bench::ScanFigures>& figures) {
  nlohmann::json all = nlohmann::json::array();
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const bench::ScanFigures& one = figures[i];
    all.push_back({
        {"kind", "measured"},
        {"row_bytes", plan.row_bytes[i]},
        {"table_bytes", one.table_bytes},
        {"kernel", one.kernel},
        {"expansion_kernel", one.expansion_kernel},
        {"executor", one.executor},
        {"threads", one.threads},
        {"repetitions", one.repetitions},
        {"staging_seconds", one.staging_seconds},
        {"read_gb_per_second", to_json(one.read_gb_per_second)},
        {"scan_gb_per_second", to_json(one.scan_gb_per_second)},
        {"ratio_to_read_bandwidth", to_json(one.ratio)},
        {"expansion_seconds", to_json(one.expansion_seconds)},
        {"expansion_share_of_scan", one.expansion_share},
        {"meets_what_is_asked", meets(plan, one, i)},
    });
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> table_rows(
    const ScanPlan& plan, const std::vector<bench::ScanFigures>& figures) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const bench::ScanFigures& one = figures[i];
    rows.emplace_back("One query over " + report::bytes_text(one.table_bytes) + " of " +
                          std::to_string(plan.row_bytes[i]) + "-byte rows, " +
                          std::to_string(one.threads) + " threads, kernel " + one.kernel,
                      "");
    rows.emplace_back("scan, GB/s", with_spread(one.scan_gb_per_second, 1));
    rows.emplace_back("plain read of the same memory, GB/s",
                      with_spread(one.read_gb_per_second, 1));
    rows.emplace_back(
        "ratio, median of pairs (lowest to highest)",
        with_spread(one.ratio, 2) +
            (plan.min_ratio.empty() ? ""
                                    : asked(true, plan.min_ratio[i], meets_ratio(plan, one, i))));
    rows.emplace_back("expanding the key (" + one.expansion_kernel + ")",
                      report::duration_text(one.expansion_seconds.median) + ", " +
                          report::decimal_text(one.expansion_share, 3) + " of the scan" +
                          (plan.max_expansion_share ? asked(false, *plan.max_expansion_share,
                                                            meets_expansion_share(plan, one))
                                                    : ""));
  }
  return rows;
}

}  // namespace gyre::scenario
