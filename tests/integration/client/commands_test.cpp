// `gyre lookup` and `gyre fetch` as people run them: real processes against two real servers.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "harness/client/http_transport.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "tests/unit/client/raw_server.hpp"

namespace gyre {
namespace {

using client::testing::RawConnection;
using client::testing::RawServer;
using scenario::ChildProcess;
using scenario::ServerProcesses;
using scenario::TemporaryDirectory;

const std::string gyre_program = GYRE_PROGRAM;
constexpr std::chrono::seconds limit{60};
const std::string first_address = "0x0000000000000000000000000000000000000001";
const std::string second_address = "0x00000000000000000000000000000000000000aB";
const std::string absent_address = "0x00000000000000000000000000000000000000ff";

struct Outcome {
  int exit_code = -1;
  std::string output;  // standard output and error together
};

std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A table of two accounts, served by two processes.
class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory) << directory.error().message;
    directory_.emplace(std::move(*directory));
    std::ofstream(path("accounts.csv")) << first_address << ",200000000000000000000\n"
                                        << second_address << ",1\n";
    const auto built =
        gyre({"snapshot", "build", "--input", path("accounts.csv"), "--output", path("accounts"),
              "--value", "ethereum-account", "--block-number", "17"});
    ASSERT_EQ(built.exit_code, 0) << built.output;
    auto servers = ServerProcesses::start(
        {gyre_program, path("accounts.manifest.json"), "reference", directory_->path()});
    ASSERT_TRUE(servers) << servers.error().message;
    servers_.emplace(std::move(*servers));
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_->path() / name;
  }

  [[nodiscard]] Outcome run(const std::string& program, const std::vector<std::string>& arguments) {
    const std::filesystem::path log = path("log" + std::to_string(++runs_));
    auto child = ChildProcess::start(program, arguments, log);
    EXPECT_TRUE(child);
    if (!child) return {};
    const auto ended = child->wait(limit);
    EXPECT_TRUE(ended) << "still running after a minute";
    return {ended.value_or(-1), contents_of(log)};
  }
  [[nodiscard]] Outcome gyre(const std::vector<std::string>& arguments) {
    return run(gyre_program, arguments);
  }
  // With both servers named.
  [[nodiscard]] Outcome ask(std::vector<std::string> arguments) {
    for (const std::size_t party : {1U, 0U}) {
      arguments.insert(arguments.begin() + 1, {"--server", servers_->url(party)});
    }
    return gyre(arguments);
  }

  std::optional<TemporaryDirectory> directory_;
  std::optional<ServerProcesses> servers_;
  int runs_ = 0;
};

TEST_F(Commands, LookupShowsAccountsDecoded) {
  const auto found = ask({"lookup", first_address});
  EXPECT_EQ(found.exit_code, 0);
  const std::vector<std::string> parts = {first_address, "200 ETH", "200000000000000000000 wei",
                                          "nonce    0", "block 17"};
  for (const auto& part : parts) {
    EXPECT_NE(found.output.find(part), std::string::npos) << part << " in\n" << found.output;
  }
  const auto absent = ask({"lookup", first_address, absent_address});
  EXPECT_EQ(absent.exit_code, 3) << absent.output;
  EXPECT_NE(absent.output.find("not in the table"), std::string::npos) << absent.output;
  EXPECT_NE(absent.output.find("200 ETH"), std::string::npos) << absent.output;
}

TEST_F(Commands, LookupWritesJsonAndReadsKeysFromStandardInput) {
  const auto shell =
      run("/bin/sh",
          {"-c",
           "printf '%s\\n\\n%s\\r\\n%s' \"$4\" \"$5\" \"$6\" | \"$1\" lookup --json --server "
           "\"$2\" --server \"$3\" -",
           "sh", gyre_program, servers_->url(1), servers_->url(0), first_address, absent_address,
           second_address});
  EXPECT_EQ(shell.exit_code, 3) << shell.output;
  const auto document = nlohmann::json::parse(shell.output, nullptr, false);
  ASSERT_TRUE(document.is_object()) << shell.output;
  const auto& results = document["results"];
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[0]["key"], first_address);
  EXPECT_EQ(results[0]["balance_wei"], "200000000000000000000");
  EXPECT_EQ(results[0]["block_number"], 17);
  EXPECT_EQ(results[1]["found"], false);
  EXPECT_EQ(results[1].count("balance_wei"), 0U);
  EXPECT_EQ(results[2]["key"], "0x00000000000000000000000000000000000000ab");
  EXPECT_EQ(results[2]["balance_wei"], "1");
}

TEST_F(Commands, FetchGivesRowsAndPagesAsTheFileHasThem) {
  const std::string rows = contents_of(path("accounts.rows"));
  const auto raw = ask({"fetch", "1", "0", "--raw", path("raw")});
  EXPECT_EQ(raw.exit_code, 0) << raw.output;
  EXPECT_EQ(contents_of(path("raw")), rows.substr(36, 36) + rows.substr(0, 36));
  const auto page = ask({"fetch", "--page", "0", "--json"});
  ASSERT_EQ(page.exit_code, 0) << page.output;
  const auto document = nlohmann::json::parse(page.output, nullptr, false);
  ASSERT_TRUE(document.is_object());
  const std::string data = document["results"][0]["data"];
  EXPECT_EQ(data, to_hex(as_bytes(std::string_view(rows).substr(0, data.size() / 2))));
  EXPECT_GE(data.size(), 72U);
  const auto text = ask({"fetch", "0"});
  EXPECT_NE(text.output.find("row 0  " + to_hex(as_bytes(std::string_view(rows).substr(0, 36)))),
            std::string::npos)
      << text.output;
  const auto outside = ask({"fetch", "1000000"});
  EXPECT_EQ(outside.exit_code, 1);
  EXPECT_NE(outside.output.find("must be below"), std::string::npos) << outside.output;
}

TEST_F(Commands, MistakesOnTheCommandLineExitWithTwo) {
  const std::string zero = servers_->url(0);
  const std::string one = servers_->url(1);
  const std::vector<std::vector<std::string>> mistakes = {
      {"lookup", first_address},
      {"lookup", "--server", zero, first_address},
      {"lookup", "--server", zero, "--server", one, "--server", one, first_address},
      {"lookup", "--server", zero, "--server", zero, first_address},
      {"lookup", "--server", zero, "--server", "ftp://host", first_address},
      {"lookup", "--server", zero, "--server", one},
      {"lookup", "--server", zero, "--server", one, "no address"},
      {"lookup", "--server", zero, "--server", one, "--timeout", "0", first_address},
      {"lookup", "--server", zero, "--server", one, "--attempts", "0", first_address},
      {"lookup", "--server", zero, "--server", one, "--unknown", first_address},
      {"fetch", "--server", zero, "--server", one},
      {"fetch", "--server", zero, "--server", one, "-1"},
      {"fetch", "--server", zero, "--server", one, "first"},
  };
  for (const auto& words : mistakes) {
    const auto outcome = gyre(words);
    std::string line;
    for (const auto& word : words) line += " " + word;
    EXPECT_EQ(outcome.exit_code, 2) << line << "\n" << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  }
}

TEST_F(Commands, HttpOffThisMachineIsRefused) {
  const auto outcome = gyre(
      {"lookup", "--server", servers_->url(0), "--server", "http://192.0.2.1:80", first_address});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.output.find("https://"), std::string::npos) << outcome.output;
}

void expect_one_sentence(const Outcome& outcome, const std::string& about) {
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_TRUE(outcome.output.starts_with("gyre lookup: server " + about)) << outcome.output;
  EXPECT_TRUE(outcome.output.ends_with("; nothing was learned\n")) << outcome.output;
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
}

TEST_F(Commands, AServerKilledInTheMiddleOfALookupIsOneSentence) {
  // Stands between the command and server 1, and kills that server when its query arrives.
  const auto address = client::ServerAddress::parse(servers_->url(1));
  ASSERT_TRUE(address);
  auto behind = client::HttpTransport::create({*address, {address->host}}, {});
  ASSERT_TRUE(behind);
  // A ChildProcess is for one thread, and the front has its own.
  RawServer front([&behind, server = servers_->process(1).pid()](RawConnection& connection) {
    for (std::string request = connection.read_request(); !request.empty();
         request = connection.read_request()) {
      if (request.starts_with("POST")) {
        ::kill(server, SIGKILL);
        return;
      }
      const auto reply = (*behind)->get("/epoch", 1 << 20);
      if (!reply) return;
      connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                      std::to_string(reply->body.size()) + "\r\n\r\n");
      connection.send({reinterpret_cast<const char*>(reply->body.data()), reply->body.size()});
    }
  });
  const std::string url = "http://127.0.0.1:" + std::to_string(front.port());
  expect_one_sentence(
      gyre({"lookup", "--server", servers_->url(0), "--server", url, first_address}), url);
  EXPECT_TRUE(servers_->process(1).wait(limit)) << "the server was killed";
  EXPECT_FALSE(servers_->process(0).poll()) << "the other one runs on";
}

TEST_F(Commands, AServerThatIsNotThereIsOneSentence) {
  const std::string url = servers_->url(1);
  servers_->process(1).signal(SIGKILL);
  ASSERT_TRUE(servers_->process(1).wait(limit));
  expect_one_sentence(ask({"lookup", first_address}), url);
}

TEST_F(Commands, AServerThatHangsIsOneSentence) {
  servers_->process(1).signal(SIGSTOP);
  const auto outcome = ask({"lookup", "--timeout", "0.3", "--attempts", "2", first_address});
  servers_->process(1).signal(SIGCONT);
  expect_one_sentence(outcome, servers_->url(1));
  EXPECT_NE(outcome.output.find("300 ms, in 2 attempts"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace gyre
