// Result files become figures, and figures of two files ratios.
#include "harness/report/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/report/figures.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::report {
namespace {

using Json = nlohmann::json;

const Figure* find(const ResultFigures& result, const std::string& name) {
  for (const Figure& figure : result.figures) {
    if (figure.name == name) return &figure;
  }
  return nullptr;
}

Json scenario_result(double median, double lowest, double highest) {
  return {{"machine", {{"cpu", "a CPU"}, {"build", "commit 12"}, {"memory_bytes", 5}}},
          {"seed", 77},
          {"scan",
           {{{"row_bytes", 32},
             {"rate", {{"median", median}, {"lowest", lowest}, {"highest", highest}}}}}},
          {"lookup", {{"seconds", 2.5}, {"kind", "measured"}}}};
}

TEST(Figures, OfAScenarioAreNamedByTheirPlace) {
  const auto result = figures_of(scenario_result(3, 2, 4));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->origin, "a CPU, commit 12");
  EXPECT_EQ(result->figures.size(), 2U);  // neither seed nor machine nor row size
  const Figure* const rate = find(*result, "scan[row_bytes=32].rate");
  ASSERT_NE(rate, nullptr);
  EXPECT_EQ(rate->value, 3);
  EXPECT_EQ(rate->lowest, 2);
  EXPECT_EQ(rate->highest, 4);
  const Figure* const seconds = find(*result, "lookup.seconds");
  ASSERT_NE(seconds, nullptr);
  EXPECT_FALSE(seconds->lowest.has_value());
}

TEST(Figures, OfListsAreNamedByWhatTellsTheirElementsApart) {
  const auto names_of = [](const Json& list) {
    std::vector<std::string> names;
    const auto result = figures_of({{"load", list}}).value();
    for (const Figure& figure : result.figures) names.push_back(figure.name);
    return names;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(names_of({{{"clients", 4}, {"rate", 1}}, {{"clients", 1}, {"rate", 2}}}),
              ElementsAre("load[clients=4].rate", "load[clients=1].rate"));
  EXPECT_THAT(names_of({{{"threads", 2}, {"row_bytes", 36}, {"rate", 1}}}),
              ElementsAre("load[row_bytes=36,threads=2].rate"));
  // Of the same kind, of no kind, and plain numbers.
  EXPECT_THAT(names_of({{{"clients", 4}, {"rate", 1}}, {{"clients", 4}, {"rate", 2}}}),
              ElementsAre("load[clients=4].rate", "load[clients=4#2].rate"));
  EXPECT_THAT(names_of({{{"rate", 1}}, {{"clients", "many"}, {"rate", 2}}}),
              ElementsAre("load[0].rate", "load[1].rate"));
  EXPECT_THAT(names_of({1.5, 2.5}), ElementsAre("load[0]", "load[1]"));
}

TEST(Figures, OfBenchmarksJoinRepetitionsAndBounds) {
  const Json document = {
      {"context", {{"commit", "abc"}, {"date", "today"}}},
      {"benchmarks",
       {{{"name", "x/1"}, {"run_name", "x/1"}, {"run_type", "iteration"}, {"real_time", 3.0}},
        {{"name", "x/1"}, {"run_name", "x/1"}, {"run_type", "iteration"}, {"real_time", 1.0}},
        {{"name", "x/1"}, {"run_name", "x/1"}, {"run_type", "iteration"}, {"real_time", 2.0}},
        {{"name", "x/1_mean"}, {"run_name", "x/1"}, {"run_type", "aggregate"}, {"real_time", 9.0}},
        {{"name", "y"}, {"error_occurred", true}, {"real_time", 9.0}},
        {{"name", "z"},
         {"iterations", 4},
         {"gain", 60.0},
         {"gain_lowest", 58.0},
         {"gain_highest", 61.0}}}}};
  const auto result = figures_of(document);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->origin, "commit abc, today");
  EXPECT_EQ(result->figures.size(), 2U);
  const Figure* const time = find(*result, "x/1: real_time");
  ASSERT_NE(time, nullptr);
  EXPECT_EQ(time->value, 2);
  EXPECT_EQ(time->lowest, 1);
  EXPECT_EQ(time->highest, 3);
  const Figure* const gain = find(*result, "z: gain");
  ASSERT_NE(gain, nullptr);
  EXPECT_EQ(gain->lowest, 58);
  EXPECT_EQ(gain->highest, 61);
}

TEST(Figures, OfWhatIsNoResultAreRefused) {
  for (const char* const text : {"[]", "3", "{}", R"({"seed": 4})", R"({"benchmarks": [3]})"}) {
    EXPECT_EQ(code_of(figures_of(Json::parse(text))), ErrorCode::malformed_input) << text;
  }
  const TestDirectory directory;
  EXPECT_EQ(code_of(read_figures(directory.path() / "missing.json")), ErrorCode::io_failed);
  const auto path = directory.path() / "cut.json";
  std::ofstream(path) << R"({"lookup": {"seconds": )";
  EXPECT_EQ(code_of(read_figures(path)), ErrorCode::malformed_input);
  std::ofstream(path) << scenario_result(3, 2, 4).dump();
  EXPECT_TRUE(read_figures(path));
}

Verdict verdict_of(const Json& before, const Json& after) {
  const auto result = compare(figures_of(before).value(), figures_of(after).value());
  for (const Comparison& one : result.figures) {
    if (one.name == "scan[row_bytes=32].rate") return one.verdict;
  }
  ADD_FAILURE() << "the rate was not compared";
  return Verdict::unknown;
}

TEST(Comparisons, CallNoiseWhatBothSpreadsAllow) {
  const Json before = scenario_result(10, 9, 11);
  EXPECT_EQ(verdict_of(before, scenario_result(12, 10.5, 13)), Verdict::noise);
  EXPECT_EQ(verdict_of(before, scenario_result(13, 12, 14)), Verdict::changed);
  EXPECT_EQ(verdict_of(before, scenario_result(5, 4, 8)), Verdict::changed);
  EXPECT_EQ(verdict_of(before, before), Verdict::noise);
}

TEST(Comparisons, PairElementsThatMovedWithinTheirList) {
  const Json one = {{"clients", 1}, {"rate", 10}};
  const Json four = {{"clients", 4}, {"rate", 40}};
  const Json many = {{"clients", 256}, {"rate", 90}};
  const auto before = figures_of({{"load", {one, four}}}).value();
  const auto after = figures_of({{"load", {many, four}}}).value();
  const auto result = compare(before, after);
  ASSERT_EQ(result.figures.size(), 1U);
  EXPECT_EQ(result.figures[0].name, "load[clients=4].rate");
  EXPECT_EQ(result.figures[0].ratio, 1);
  EXPECT_EQ(result.only_before, 1U);
  EXPECT_EQ(result.only_after, 1U);
}

TEST(Comparisons, TellRatiosAndTheirRange) {
  auto before = figures_of(scenario_result(10, 8, 12)).value();
  auto after = figures_of(scenario_result(20, 18, 24)).value();
  after.figures.push_back({.name = "new", .value = 1});
  before.figures.push_back({.name = "was zero", .value = 0});
  after.figures.push_back({.name = "was zero", .value = 3});
  const auto result = compare(before, after);
  EXPECT_EQ(result.only_before, 0U);
  EXPECT_EQ(result.only_after, 1U);
  ASSERT_EQ(result.figures.size(), 2U);
  const Comparison& seconds = result.figures[0];
  EXPECT_EQ(seconds.name, "lookup.seconds");
  EXPECT_EQ(seconds.ratio, 1);
  EXPECT_EQ(seconds.verdict, Verdict::unknown);
  const Comparison& rate = result.figures[1];
  EXPECT_EQ(rate.ratio, 2);
  EXPECT_EQ(rate.lowest, 1.5);
  EXPECT_EQ(rate.highest, 3);
  const std::string text = comparison_text(result);
  EXPECT_NE(text.find("1.500 to 3.000"), std::string::npos) << text;
  EXPECT_NE(text.find("spread unknown"), std::string::npos) << text;
  EXPECT_EQ(text.find("noise"), std::string::npos) << text;
}

TEST(Comparisons, TablesShowValuesWithTheirSpread) {
  const std::string text = figures_text(figures_of(scenario_result(3, 2, 4)).value());
  EXPECT_NE(text.find("scan[row_bytes=32].rate  3  (2 to 4)"), std::string::npos) << text;
}

}  // namespace
}  // namespace gyre::report
