#include "harness/cli/options.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() : options_("serve", "[OPTIONS]", "A trial.") {
    options_.add()("max-keys", po::value<int>()->default_value(1), "a number")(
        "server", po::value<std::vector<std::string>>()->composing(), "a list")(
        "smoke", po::bool_switch(), "a switch");
  }
  void TearDown() override {
    ::unsetenv("GYRE_MAX_KEYS");
    ::unsetenv("GYRE_SERVER");
    std::filesystem::remove(file_);
  }
  std::vector<std::string> with_file(std::string_view text,
                                     std::vector<std::string> arguments = {}) {
    std::ofstream(file_) << text;
    arguments.insert(arguments.end(), {"--config", file_});
    return arguments;
  }
  int max_keys(const std::vector<std::string>& arguments) {
    const auto values = options_.read(arguments);
    return values ? (*values)["max-keys"].as<int>() : -1;
  }

  Options options_;
  const std::string file_ =
      testing::TempDir() + "gyre-options-" + std::to_string(::getpid()) + ".toml";
};

TEST_F(OptionsTest, FlagsWinOverEnvironmentOverFileOverDefaults) {
  EXPECT_EQ(max_keys({}), 1);
  EXPECT_EQ(max_keys(with_file("max-keys = 2")), 2);
  EXPECT_EQ(max_keys(with_file("max_keys = 2\n[serve]\nmax-keys = 3")), 3);
  ::setenv("GYRE_MAX_KEYS", "4", 1);
  EXPECT_EQ(max_keys(with_file("max-keys = 2")), 4);
  EXPECT_EQ(max_keys(with_file("max-keys = 2", {"--max-keys", "5"})), 5);
}

TEST_F(OptionsTest, AListComesWholeFromOneSource) {
  const auto servers = [&](const std::vector<std::string>& arguments) {
    const auto values = options_.read(arguments);
    return values ? (*values)["server"].as<std::vector<std::string>>()
                  : std::vector<std::string>{"refused"};
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(servers(with_file("server = ['a', 'b']")), (List{"a", "b"}));
  ::setenv("GYRE_SERVER", "c d", 1);
  EXPECT_EQ(servers(with_file("server = ['a', 'b']")), (List{"c", "d"}));
  EXPECT_EQ(servers(with_file("server = ['a', 'b']", {"--server", "e"})), (List{"e"}));
}

TEST_F(OptionsTest, OtherCommandsTablesAreNotThisOnes) {
  EXPECT_EQ(max_keys(with_file("[lookup]\nmax-keys = 9\nunknown = 1")), 1);
  EXPECT_EQ(max_keys(with_file("['snapshot build']\nmax-keys = 9")), 1);
}

TEST_F(OptionsTest, ATableOfNoCommandIsAMistake) {
  const auto sentence = [&](const std::string& text) {
    const auto values = options_.read(with_file(text));
    return values ? std::string("accepted") : values.error().message;
  };
  const std::string expected =
      "line 2 of the configuration file begins a table that is named after no command, as [serve] "
      "or [\"snapshot build\"] is";
  for (const std::string table : {"[serv]", "[SERVE]", "['']", "[' serve']", "[serves]"}) {
    EXPECT_EQ(sentence("\n" + table + "\nmax-keys = 2"), expected);
  }
}

TEST(OptionsOfASubcommand, StandInATableOfItsWholeName) {
  Options options("snapshot build", "[OPTIONS]", "A trial.");
  options.add()("load", po::value<double>(), "a number");
  const std::string file =
      testing::TempDir() + "gyre-options-" + std::to_string(::getpid()) + ".toml";
  const auto load = [&](std::string_view text) {
    std::ofstream(file) << text;
    const auto values = options.read({"--config", file});
    return values && values->count("load") != 0 ? (*values)["load"].as<double>() : -1;
  };
  EXPECT_EQ(load("['snapshot build']\nload = 0.5\n['snapshot verify']\nother = 1"), 0.5);
  // What TOML makes of it is a table in a table, which would otherwise be passed over.
  EXPECT_EQ(load("load = 0.25\n[snapshot.build]\nload = 0.5"), -1);
  EXPECT_EQ(load("load = 0.25\n[snap]"), -1);
  std::filesystem::remove(file);
}

TEST_F(OptionsTest, RefusesWhatDoesNotFit) {
  const auto code = [&](const std::vector<std::string>& arguments) {
    const auto values = options_.read(arguments);
    return values ? ErrorCode::internal : values.error().code;
  };
  EXPECT_EQ(code({"--max-keys", "many"}), ErrorCode::bad_configuration);
  EXPECT_EQ(code({"--max-keysss", "1"}), ErrorCode::bad_configuration);
  EXPECT_EQ(code({"--max", "1"}), ErrorCode::bad_configuration)
      << "abbreviations would break when options are added";
  EXPECT_EQ(code({"stray"}), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("[serve]\nmax-kyes = 1")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("max-kyes = 1")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("serve = 1")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("[serve.max-keys]\nx = 1")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("[serve.more]\nmax-keys = 1")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("max-keys = [1, 2]")), ErrorCode::bad_configuration);
  EXPECT_EQ(code(with_file("max-keys = ")), ErrorCode::bad_configuration);
  EXPECT_EQ(code({"--config", "/no/such/file"}), ErrorCode::bad_configuration);
}

TEST_F(OptionsTest, SentencesQuoteNothingThatWasGiven) {
  const auto sentence = [&](const std::vector<std::string>& arguments) {
    const auto values = options_.read(arguments);
    return values ? std::string("accepted") : values.error().message;
  };
  using Words = std::vector<std::string>;
  for (const Words& arguments :
       {Words{"-SECRET"}, Words{"--SECRET"}, Words{"--SECRET=1"}, Words{"SECRET"},
        Words{"-hSECRET"}, Words{"--max-keys", "SECRET"}, Words{"--max-keys=SECRET"},
        Words{"--max-keysSECRET", "1"}, Words{"--smoke=SECRET"}, with_file("SECRET = 1"),
        with_file("max-keys = 'SECRET'"), with_file("[serve]\nSECRET = 1")}) {
    const std::string said = sentence(arguments);
    EXPECT_EQ(said.find("SECRET"), std::string::npos) << said;
    EXPECT_NE(said, "accepted") << arguments.front();
  }
  ::setenv("GYRE_MAX_KEYS", "SECRET", 1);
  EXPECT_EQ(sentence({}), "--max-keys has no value, or one that does not fit");
  ::unsetenv("GYRE_MAX_KEYS");
  EXPECT_EQ(sentence({"--max-keys", "x"}), "--max-keys has no value, or one that does not fit");
  EXPECT_EQ(sentence({"--max-keys"}), "--max-keys has no value, or one that does not fit");
  EXPECT_EQ(sentence({"--max-keys", "1", "--max-keys", "2"}), "--max-keys may be given only once");
  EXPECT_EQ(sentence({"stray"}), "there are more words than this command takes");
  options_.add()("party", po::value<int>()->required(), "a number");
  EXPECT_EQ(sentence({}), "--party is needed");
}

}  // namespace
}  // namespace gyre::cli
