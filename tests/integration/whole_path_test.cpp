// What a newcomer, an operator and a client do, with the program they do it with.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "core/bytes.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/seeded_random.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/temporary_directory.hpp"

namespace gyre::scenario {
namespace {

using namespace std::chrono_literals;

std::filesystem::path gyre_program;  // set by main()
const std::filesystem::path source_root = GYRE_SOURCE_ROOT;
const std::filesystem::path genesis_scenario = source_root / "scenarios/ethereum-genesis.toml";
const std::filesystem::path genesis_accounts =
    source_root / "scenarios/data/ethereum-mainnet-genesis.csv";
constexpr const char* some_account = "0x001762430ea9c3a26e5749afdb70da5f78ddbb8c";  // 200 ether
const std::filesystem::path rotation_scenario = source_root / "scenarios/rotate-under-load.toml";
constexpr const char* no_account = "0x0000000000000000000000000000000000000001";

// The processes that another has started and that still run.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  const auto tasks = "/proc/" + std::to_string(parent) + "/task";
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

class WholePath : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TemporaryDirectory::create();
    ASSERT_TRUE(made);
    directory_.emplace(std::move(*made));
  }
  std::filesystem::path path(std::string_view name) const { return directory_->path() / name; }

  struct Outcome {
    int exit_code = -1;
    std::string output;  // standard output and error
  };
  ChildProcess start(const std::vector<std::string>& arguments, const std::string& log) {
    auto child = ChildProcess::start(gyre_program, arguments, path(log));
    EXPECT_TRUE(child);
    return std::move(*child);
  }
  std::string text_of(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Outcome run(const std::vector<std::string>& arguments) {
    const std::string log = "log-" + std::to_string(logs_++);
    auto child = start(arguments, log);
    const auto code = child.wait(120s);
    EXPECT_TRUE(code);
    return {code.value_or(-1), text_of(log)};
  }
  void build_genesis() {
    const Outcome built =
        run({"snapshot", "build", "--input", genesis_accounts.string(), "--value",
             "ethereum-account", "--block-number", "0", "--output", path("genesis").string()});
    ASSERT_EQ(built.exit_code, 0) << built.output;
  }
  ServerProcesses serve_genesis() {
    auto servers = ServerProcesses::start(
        {gyre_program, path("genesis.manifest.json"), "cpu", directory_->path()});
    EXPECT_TRUE(servers) << servers.error().message;
    return std::move(*servers);
  }
  static std::vector<std::string> lookup(const ServerProcesses& servers,
                                         const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"lookup", "--server", servers.url(0), "--server",
                                          servers.url(1)};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return arguments;
  }

  std::optional<TemporaryDirectory> directory_;
  int logs_ = 0;
};

TEST_F(WholePath, TheMainJobIsRightAndItsResultSaysOnWhat) {
  const Outcome outcome = run({"run", "--smoke", "--seed", "7", "--results",
                               path("results").string(), genesis_scenario.string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_TRUE(outcome.output.starts_with("Replay: ")) << outcome.output;
  EXPECT_NE(outcome.output.find(" run --seed 7 --smoke "), std::string::npos) << outcome.output;
  const auto file = *std::filesystem::directory_iterator(path("results"));
  const auto result = nlohmann::json::parse(std::ifstream(file.path()));
  EXPECT_TRUE(result["all_right"]);
  EXPECT_EQ(result["seed"], 7);
  EXPECT_EQ(result["lookup"]["present_right"], 300);
  EXPECT_EQ(result["lookup"]["absent_right"], 50);
  EXPECT_EQ(result["lookup"]["keys"], 8893);
  for (const auto& scan : result["scan"]) {
    EXPECT_FALSE(scan["kernel"].get<std::string>().empty());
    EXPECT_GT(scan["ratio_to_read_bandwidth"]["median"].get<double>(), 0);
  }
  EXPECT_FALSE(result["machine"]["cpu"].get<std::string>().empty());
}

TEST_F(WholePath, AServerThatDiesEndsARunWithASentence) {
  auto process = start({"run", "--smoke", "--seed", "7", "--results", path("results").string(),
                        rotation_scenario.string()},
                       "run.log");
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (children_of(process.pid()).size() < 2 && !process.poll()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << text_of("run.log");
    std::this_thread::sleep_for(1ms);
  }
  // It finds out for at least a second what they can serve.
  std::this_thread::sleep_for(600ms);
  const auto servers = children_of(process.pid());
  ASSERT_FALSE(servers.empty()) << text_of("run.log");
  kill(servers.front(), SIGKILL);
  const auto code = process.wait(60s);
  ASSERT_TRUE(code) << "it waits for a server that is gone";
  EXPECT_GT(*code, 0);
  EXPECT_LT(*code, 128) << "it was ended by a signal";
  EXPECT_NE(text_of("run.log").find("server"), std::string::npos) << text_of("run.log");
}

TEST_F(WholePath, OneSeedMakesOneTable) {
  LookupPlan plan;
  plan.input = genesis_accounts;
  plan.most_keys = 3;
  plan.absent = 1;
  const auto quiet = [](std::string_view, std::uint64_t, std::uint64_t) {};
  const auto first = run_lookups(plan, 11, gyre_program, quiet);
  const auto again = run_lookups(plan, 11, gyre_program, quiet);
  const auto other = run_lookups(plan, 12, gyre_program, quiet);
  ASSERT_TRUE(first && again && other);
  EXPECT_EQ(first->epoch, again->epoch);
  EXPECT_NE(first->epoch, other->epoch);
  EXPECT_TRUE(first->all_right());
}

// The verdict must be able to fail. The table differs from what it is held against in a balance, a
// key that is missing, and nothing else.
TEST_F(WholePath, AWrongOrMissingAnswerIsCountedAndMakesTheRunFail) {
  const std::string a = "0x00000000000000000000000000000000000000aa,";
  const std::string b = "0x00000000000000000000000000000000000000bb,";
  const std::string c = "0x00000000000000000000000000000000000000cc,";
  std::ofstream(path("table.csv")) << "address,wei\n" << a << "1\n" << b << "2\n";
  std::ofstream(path("truth.csv")) << "address,wei\n" << a << "1\n" << b << "3\n" << c << "4\n";
  std::ofstream(path("wrong.toml")) << "name = 'wrong'\n[lookup]\ninput = 'table.csv'\nexpected = "
                                       "'truth.csv'\nabsent = 5\n";
  const Outcome outcome =
      run({"run", "--results", path("results").string(), path("wrong.toml").string()});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  const auto file = *std::filesystem::directory_iterator(path("results"));
  const auto result = nlohmann::json::parse(std::ifstream(file.path()));
  EXPECT_FALSE(result["all_right"]);
  EXPECT_EQ(result["lookup"]["present_asked"], 3);
  EXPECT_EQ(result["lookup"]["present_right"], 1);
  EXPECT_EQ(result["lookup"]["absent_right"], 5);
  EXPECT_EQ(result["lookup"]["failed"], 0);
}

// The other way round: an address that the file does not know is in the table.
TEST_F(WholePath, AnAddressThatShouldBeAbsentButIsFoundIsWrong) {
  const std::string a = "0x00000000000000000000000000000000000000aa,1\n";
  std::ofstream(path("table.csv")) << a;
  LookupPlan plan;
  plan.input = path("table.csv");
  plan.absent = 3;
  const auto quiet = [](std::string_view, std::uint64_t, std::uint64_t) {};
  const auto honest = run_lookups(plan, 5, gyre_program, quiet);
  ASSERT_TRUE(honest);
  EXPECT_EQ(honest->absent_right, 3U);
  // The absent addresses are determined by the seed: put the first of them into the table.
  SeededRandom random(5);
  std::vector<std::byte> address(20);
  ASSERT_TRUE(random.fill(address));
  std::ofstream(path("more.csv")) << a << "0x" << to_hex(address) << ",7\n";
  plan.input = path("more.csv");
  plan.expected = path("table.csv");
  const auto figures = run_lookups(plan, 5, gyre_program, quiet);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->absent_right, 2U);
  EXPECT_FALSE(figures->all_right());
}

TEST_F(WholePath, ALineThatCannotBeComparedFailsTheRun) {
  std::ofstream(path("table.csv")) << "0x00000000000000000000000000000000000000aa,1\n"
                                   << "\"0x00000000000000000000000000000000000000bb\",2\n";
  LookupPlan plan;
  plan.input = path("table.csv");
  const auto figures =
      run_lookups(plan, 1, gyre_program, [](std::string_view, std::uint64_t, std::uint64_t) {});
  ASSERT_FALSE(figures);
  EXPECT_EQ(figures.error().code, ErrorCode::malformed_input);
}

// Party 1 is killed once it is ready.
TEST_F(WholePath, AServerThatDiesMakesTheRunFail) {
  const auto mortal = path("mortal-gyre");
  std::ofstream(mortal) << "#!/bin/sh\n"
                           "case \"$*\" in *'--party 1'*) ;; *) exec '"
                        << gyre_program.string() << "' \"$@\" ;; esac\n'" << gyre_program.string()
                        << "' \"$@\" & server=$!\n"
                           "for word; do ready=$word; done\n"
                           "while [ ! -s \"$ready\" ]; do sleep 0.02; done; sleep 0.3; kill -9 "
                           "$server\nsleep 60\n";
  std::filesystem::permissions(mortal, std::filesystem::perms::owner_all);
  LookupPlan plan;
  plan.input = genesis_accounts;
  plan.clients = 2;
  const auto figures =
      run_lookups(plan, 1, mortal, [](std::string_view, std::uint64_t, std::uint64_t) {});
  // The script does not end as a server should, which is an error of its own; either way nothing is
  // right.
  EXPECT_FALSE(figures && figures->all_right());
}

TEST_F(WholePath, ALookupShowsTheBalanceAndAnAbsenceIsSaidAsOne) {
  build_genesis();
  auto servers = serve_genesis();
  const Outcome found = run(lookup(servers, {some_account}));
  EXPECT_EQ(found.exit_code, 0) << found.output;
  EXPECT_NE(found.output.find("200 ETH"), std::string::npos) << found.output;
  EXPECT_NE(found.output.find("200000000000000000000"), std::string::npos) << found.output;
  const Outcome absent = run(lookup(servers, {no_account}));
  EXPECT_EQ(absent.exit_code, 3) << absent.output;
  const Outcome row = run({"fetch", "--server", servers.url(0), "--server", servers.url(1), "0"});
  EXPECT_EQ(row.exit_code, 0) << row.output;
  EXPECT_TRUE(servers.stop()) << "SIGTERM must end both cleanly";
}

TEST_F(WholePath, KillingOneServerInTheMiddleOfALookupGivesASentence) {
  build_genesis();
  auto servers = serve_genesis();
  // Stopped, party 1 accepts the connection but never answers: the lookup is in the middle when it
  // dies.
  servers.process(1).signal(SIGSTOP);
  auto client = start(lookup(servers, {"--attempts", "2", some_account}), "lookup");
  std::this_thread::sleep_for(300ms);
  ASSERT_FALSE(client.poll()) << text_of("lookup");
  servers.process(1).signal(SIGKILL);
  const auto code = client.wait(60s);
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 1);
  const std::string output = text_of("lookup");
  EXPECT_TRUE(output.starts_with("gyre lookup: ")) << output;
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << "one sentence: " << output;
  EXPECT_NE(output.find(servers.url(1)), std::string::npos)
      << "it must name the server: " << output;
}

TEST_F(WholePath, AStoppedRunLeavesNothingBehind) {
  const auto temporary = path("temporary");
  std::filesystem::create_directory(temporary);
  ::setenv("TMPDIR", temporary.c_str(), 1);
  auto running =
      start({"run", "--results", path("results").string(), genesis_scenario.string()}, "stopped");
  ::unsetenv("TMPDIR");
  // Its table, its servers' logs and so on lie there until all lookups are done.
  const auto has_begun = [&] { return !std::filesystem::is_empty(temporary); };
  for (int i = 0; i < 6000 && !has_begun(); ++i) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE(has_begun()) << text_of("stopped");
  running.signal(SIGINT);
  const auto code = running.wait(60s);
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 1);
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
  EXPECT_FALSE(std::filesystem::exists(path("results")));
  EXPECT_NE(text_of("stopped").find("gyre run: stopped"), std::string::npos) << text_of("stopped");
}

TEST_F(WholePath, AServerThatCannotStartSaysWhy) {
  const auto servers = ServerProcesses::start(
      {gyre_program, path("missing.manifest.json"), "cpu", directory_->path()});
  ASSERT_FALSE(servers);
  EXPECT_NE(servers.error().message.find("gyre serve: the manifest could not be opened"),
            std::string::npos)
      << servers.error().message;
}

TEST_F(WholePath, ADamagedSnapshotIsNotServed) {
  build_genesis();
  {
    std::fstream rows(path("genesis.rows"), std::ios::in | std::ios::out | std::ios::binary);
    rows.seekg(1000);
    const char byte = static_cast<char>(rows.get() ^ 1);
    rows.seekp(1000);
    rows.put(byte);
  }
  const Outcome verified = run({"snapshot", "verify", path("genesis.manifest.json").string()});
  EXPECT_EQ(verified.exit_code, 1) << verified.output;
  const Outcome served = run({"serve", "--snapshot", path("genesis.manifest.json").string(),
                              "--party", "0", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(served.exit_code, 1) << served.output;
  EXPECT_EQ(served.output.find("ready "), std::string::npos) << served.output;
}

TEST_F(WholePath, WrongWordsGetASentenceAndExitCode2) {
  const std::vector<std::vector<std::string>> wrong = {
      {},           {"conquer"},
      {"serve"},    {"serve", "--party", "2", "--snapshot", "x"},
      {"lookup"},   {"fetch", "--server", "http://127.0.0.1:1"},
      {"run"},      {"faults"},
      {"snapshot"},
  };
  for (const auto& words : wrong) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
    EXPECT_FALSE(outcome.output.empty());
  }
  const std::vector<std::vector<std::string>> commands = {
      {"serve"},
      {"lookup"},
      {"fetch"},
      {"run"},
      {"faults"},
      {"faults", "list"},
      {"update"},
      {"rotate"},
      {"snapshot"},
      {"snapshot", "build"},
      {"snapshot", "inspect"},
      {"snapshot", "verify"},
  };
  for (auto words : commands) {
    const std::string command = words.front();
    words.emplace_back("--help");
    const Outcome help = run(words);
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_TRUE(help.output.starts_with("Usage: gyre " + command)) << help.output;
  }
}

TEST_F(WholePath, OutputThatIsLostIsAFailure) {
  build_genesis();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--version"},
        {"snapshot", "inspect", path("genesis.manifest.json").string()}}) {
    auto child = ChildProcess::start(gyre_program, words, "/dev/full");
    ASSERT_TRUE(child);
    EXPECT_EQ(child->wait(60s), 1) << words.front();
  }
}

TEST_F(WholePath, AFaultPlanThatNothingReadsIsRefused) {
  ::setenv("GYRE_FAULTS", "publish=crash", 1);
  const Outcome outcome = run({"faults", "list"});
  ::unsetenv("GYRE_FAULTS");
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_NE(outcome.output.find("GYRE_FAULTS"), std::string::npos) << outcome.output;
}

TEST_F(WholePath, AServerTakesAFaultPlanInABuildWithPointsOnlyAndOnlyIfItIsOne) {
  ::setenv("GYRE_FAULTS", "nowhere=return", 1);
  const Outcome outcome = run({"serve", "--party", "0"});
  ::unsetenv("GYRE_FAULTS");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
#if defined(GYRE_FAULT_POINTS)
  EXPECT_NE(outcome.output.find("wrong at character 1"), std::string::npos) << outcome.output;
#else
  EXPECT_NE(outcome.output.find("takes no fault plans"), std::string::npos) << outcome.output;
#endif
}

TEST_F(WholePath, AScenarioPutsFaultsIntoItsServersInABuildWithPointsOnly) {
  std::ofstream(path("table.csv")) << "0x00000000000000000000000000000000000000aa,1\n";
  const auto run_with = [&](std::string_view plans) {
    std::ofstream(path("faults.toml"))
        << "name = 'faults'\n[lookup]\ninput = 'table.csv'\n[faults]\n"
        << plans;
    return run({"run", "--results", path("results").string(), path("faults.toml").string()});
  };
  const Outcome slow = run_with("both = 'query.scan=1*delay(20)'\n");
#if defined(GYRE_FAULT_POINTS)
  EXPECT_EQ(slow.exit_code, 0) << slow.output;
  const auto file = *std::filesystem::directory_iterator(path("results"));
  const auto result = nlohmann::json::parse(std::ifstream(file.path()));
  EXPECT_EQ(result["faults"][1], "query.scan=1*delay(20)");

  const Outcome failing = run_with("server_1 = 'query.lease=return(internal)'\n");
  EXPECT_EQ(failing.exit_code, 1) << failing.output;

  const Outcome never_hit = run_with("server_0 = 'compaction.build=return'\n");
  EXPECT_EQ(never_hit.exit_code, 1) << never_hit.output;
  EXPECT_NE(never_hit.output.find("nobody came to, and tested nothing there: compaction.build"),
            std::string::npos)
      << never_hit.output;
#else
  EXPECT_NE(slow.exit_code, 0);
  EXPECT_NE(slow.output.find("-Dfault_points=true"), std::string::npos) << slow.output;
#endif
}

}  // namespace
}  // namespace gyre::scenario

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s GYRE\n", argv[0]);
    return 2;
  }
  gyre::scenario::gyre_program = std::filesystem::absolute(argv[1]);
  return RUN_ALL_TESTS();
}
