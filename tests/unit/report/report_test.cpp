#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/report/machine.hpp"
#include "harness/report/percentiles.hpp"
#include "harness/report/result_file.hpp"
#include "harness/report/text.hpp"

namespace gyre::report {
namespace {

TEST(Text, SpeaksInUnitsPeopleRead) {
  EXPECT_EQ(bytes_text(36), "36 B");
  EXPECT_EQ(bytes_text(1ULL << 30U), "1.00 GiB");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
  EXPECT_EQ(bytes_text((1ULL << 30U) - 1000), "1.00 GiB");
  EXPECT_EQ(count_text(8893), "8,893");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(duration_text(0.0123), "12.30 ms");
  EXPECT_EQ(duration_text(2), "2.00 s");
  EXPECT_EQ(duration_text(0.0000123), "12.3 us");
}

TEST(Text, AlignsTheSecondColumn) {
  EXPECT_EQ(two_column_table({{"Heading", ""}, {"a", "1"}, {"long", "2"}}),
            "\nHeading\n  a     1\n  long  2\n");
}

RC_GTEST_PROP(Percentiles, AreMeasuredValuesThatCoverTheirShare, ()) {
  const auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
      rc::gen::map(rc::gen::inRange(0, 100000), [](int i) { return i * 1e-6; })));
  const Percentiles found = percentiles(values);
  RC_ASSERT(found.samples == values.size());
  RC_ASSERT(found.max == *std::max_element(values.begin(), values.end()));
  for (const auto& [share, value] :
       {std::pair{0.5, found.p50}, {0.9, found.p90}, {0.99, found.p99}}) {
    RC_ASSERT(std::count(values.begin(), values.end(), value) > 0);
    const auto covered =
        std::count_if(values.begin(), values.end(), [v = value](double x) { return x <= v; });
    const auto below =
        std::count_if(values.begin(), values.end(), [v = value](double x) { return x < v; });
    const auto total = static_cast<double>(values.size());
    RC_ASSERT(static_cast<double>(covered) >= share * total);
    RC_ASSERT(static_cast<double>(below) < share * total);
  }
}

TEST(Machine, NamesWhatAComparisonNeeds) {
  const auto machine = describe_machine();
  for (const char* fact : {"cpu", "cpus_online", "cpu_features", "memory_bytes", "operating_system",
                           "commit", "build"}) {
    EXPECT_TRUE(machine.contains(fact)) << fact;
  }
  EXPECT_GT(machine["memory_bytes"].get<std::uint64_t>(), 0U);
}

TEST(ResultFile, IsWholeAndNamedByTime) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "gyre-report-test";
  const auto path = write_result(directory, "trial", {{"right", 3}});
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->filename().string().starts_with("trial-2"));
  EXPECT_EQ(nlohmann::json::parse(std::ifstream(*path))["right"], 3);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1)
      << "no temporary file may stay";
  std::filesystem::remove_all(directory);
}

TEST(ResultFile, NeverReplacesAnother) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "gyre-report-many-test";
  std::filesystem::remove_all(directory);
  for (int run = 0; run < 5; ++run) {
    const auto path = write_result(directory, "trial", {{"run", run}});
    ASSERT_TRUE(path);
    EXPECT_EQ(nlohmann::json::parse(std::ifstream(*path))["run"], run);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 5);
  std::filesystem::remove_all(directory);
}

TEST(ResultFile, SaysWhenItCannotBeWritten) {
  const auto path = write_result("/proc/no-such-place", "trial", {});
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::io_failed);
}

}  // namespace
}  // namespace gyre::report
