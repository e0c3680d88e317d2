#include "harness/scenario/scenario_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "harness/scenario/temporary_directory.hpp"

namespace gyre::scenario {
namespace {

class ScenarioFileTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TemporaryDirectory::create();
    ASSERT_TRUE(made);
    directory_.emplace(std::move(*made));
  }
  Result<ScenarioFile> read(std::string_view text, bool smoke = false) {
    const auto path = directory_->path() / "scenario.toml";
    std::ofstream(path) << text;
    return read_scenario_file(path, smoke);
  }

  std::optional<TemporaryDirectory> directory_;
};

constexpr std::string_view whole = R"(
name = "trial"
[lookup]
input = "table.csv"
clients = 3
absent = 10
[scan]
table_bytes = 1048576
row_bytes = [32, 36]
[smoke.lookup]
absent = 2
most_keys = 5
)";

TEST_F(ScenarioFileTest, ReadsWhatIsThereAndResolvesPathsFromTheFile) {
  const auto scenario = read(whole);
  ASSERT_TRUE(scenario);
  EXPECT_EQ(scenario->name, "trial");
  EXPECT_EQ(scenario->lookup->input, directory_->path() / "table.csv");
  EXPECT_EQ(scenario->lookup->clients, 3U);
  EXPECT_EQ(scenario->lookup->absent, 10U);
  EXPECT_EQ(scenario->lookup->most_keys, 0U);
  EXPECT_EQ(scenario->scan->row_bytes, (std::vector<std::uint32_t>{32, 36}));
}

TEST_F(ScenarioFileTest, SmokeReplacesOnlyWhatItNames) {
  const auto scenario = read(whole, true);
  ASSERT_TRUE(scenario);
  EXPECT_EQ(scenario->lookup->absent, 2U);
  EXPECT_EQ(scenario->lookup->most_keys, 5U);
  EXPECT_EQ(scenario->lookup->clients, 3U);
  EXPECT_EQ(scenario->scan->table_bytes, 1048576U);
}

TEST_F(ScenarioFileTest, RefusesWithTheLine) {
  const auto message_of = [this](std::string_view text) {
    const auto scenario = read(text);
    return scenario ? std::string("accepted") : scenario.error().message;
  };
  EXPECT_NE(message_of("name = 'x'\n[lookup]\ninput = 'a'\nclints = 3\n").find("line 4"),
            std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[scan]\nrow_bytes = [2]\n").find("line 3"), std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[scan]\nrow_bytes = []\n").find("line 3"), std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[scan\n").find("line 2"), std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[lookup]\ninput = 'a'\nstate_root = 'beef'\n").find("line 4"),
            std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[throughput]\ntable_bytes = 1048576\nclients = [4, 1]\n")
                .find("line 4"),
            std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[throughput]\ntable_bytes = 1048576\nclients = [1]\n"
                       "min_gain = 0.0\n")
                .find("line 5"),
            std::string::npos);
  EXPECT_NE(message_of("name = 'x'\n[throughput]\ntable_bytes = 1048576\nclients = [1]\n"
                       "pass_parts = 0\n")
                .find("line 5"),
            std::string::npos);
  EXPECT_NE(message_of("name = '../x'\n[lookup]\ninput = 'a'\n"), "accepted");
  EXPECT_NE(message_of("name = 'x'\n"), "accepted");
  EXPECT_NE(message_of("name = 'x'\n[lookup]\n"), "accepted");
}

constexpr std::string_view looked_up = "name = 'x'\n[lookup]\ninput = 'a'\n";

#if defined(GYRE_FAULT_POINTS)

TEST_F(ScenarioFileTest, FaultPlansAreForBothServersOrForEachOfThem) {
  const auto both = read(std::string(looked_up) + "[faults]\nboth = 'query.scan=delay(1)'\n");
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->faults, (FaultPlans{"query.scan=delay(1)", "query.scan=delay(1)"}));
  EXPECT_EQ(both->lookup->faults, both->faults);
  const auto one = read(
      "name = 'x'\n[rotate]\ntable_bytes = 1048576\n[faults]\nserver_1 = 'source.read=return'\n");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->rotate->faults, (FaultPlans{"", "source.read=return"}));
  const auto smoke = read(std::string(looked_up) +
                              "[faults]\nboth = 'retire=return'\n[smoke.faults]\nboth = "
                              "'validate=return'\n",
                          true);
  ASSERT_TRUE(smoke) << smoke.error().message;
  EXPECT_EQ(smoke->faults[0], "validate=return");
}

TEST_F(ScenarioFileTest, FaultPlansThatAreNoneAreRefusedWithTheLine) {
  const auto message_of = [this](std::string_view faults) {
    const auto scenario = read(std::string(looked_up) + "[faults]\n" + std::string(faults));
    return scenario ? std::string("accepted") : scenario.error().message;
  };
  for (const std::string_view wrong :
       {"both = 'nowhere=return'\n", "both = ''\n", "both = 1\n", "server_2 = 'retire=return'\n"}) {
    EXPECT_NE(message_of(wrong).find("line 5"), std::string::npos) << wrong << message_of(wrong);
  }
  EXPECT_NE(message_of("both = 'nowhere=return'\n").find("character 1"), std::string::npos);
  EXPECT_NE(message_of("").find("line 4"), std::string::npos);
  EXPECT_NE(message_of("both = 'retire=return'\nserver_0 = 'retire=off'\n").find("line 4"),
            std::string::npos);
}

TEST_F(ScenarioFileTest, FaultPlansForServersThatAreNeverStartedAreRefused) {
  const auto scenario = read(
      "name = 'x'\n[scan]\ntable_bytes = 1048576\nrow_bytes = [32]\n[faults]\nboth = "
      "'query.scan=return'\n");
  ASSERT_FALSE(scenario);
  EXPECT_NE(scenario.error().message.find("line 5"), std::string::npos) << scenario.error().message;
}

#else

TEST_F(ScenarioFileTest, FaultPlansAreRefusedWhereServersTakeNone) {
  const auto scenario = read(std::string(looked_up) + "[faults]\nboth = 'query.scan=delay(1)'\n");
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::malformed_input);
  EXPECT_NE(scenario.error().message.find("line 4"), std::string::npos) << scenario.error().message;
  EXPECT_NE(scenario.error().message.find("-Dfault_points=true"), std::string::npos)
      << scenario.error().message;
}

#endif

TEST_F(ScenarioFileTest, AMissingFileIsSaidPlainly) {
  const auto scenario = read_scenario_file(directory_->path() / "nothing.toml", false);
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::io_failed);
}

TEST(ScenarioFiles, ThoseOfTheProjectAreWellFormed) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GYRE_SCENARIOS)) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    for (const bool smoke : {false, true}) {
      const auto scenario = read_scenario_file(entry.path(), smoke);
      EXPECT_TRUE(scenario) << entry.path() << ": " << scenario.error().message;
    }
  }
  EXPECT_GT(files, 0U);
}

}  // namespace
}  // namespace gyre::scenario
