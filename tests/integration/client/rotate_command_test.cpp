// `gyre rotate` as operators run it, and what a client sees of it: real processes, real servers, an
// origin that is as slow as a test wants.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/bytes.hpp"
#include "harness/client/admin_client.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/server_connections.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/slow_origin.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "tests/support/self_signed.hpp"

namespace gyre {
namespace {

using nlohmann::json;
using scenario::Admins;
using scenario::ChildProcess;
using scenario::ServerProcesses;
using scenario::SlowOrigin;
using scenario::TemporaryDirectory;

const std::string gyre_program = GYRE_PROGRAM;
constexpr std::chrono::seconds limit{120};

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

// Two servers on a keyed table called "old"; "new" is another table with another value of its key.
class RotateCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory) << directory.error().message;
    directory_.emplace(std::move(*directory));
    build("old", "1");
    build("new", "2");
    auto origin = SlowOrigin::start(directory_->path());
    ASSERT_TRUE(origin) << origin.error().message;
    origin_ = std::move(*origin);
    auto servers =
        ServerProcesses::start({gyre_program, path("old.manifest.json"), "cpu", directory_->path(),
                                /*admin=*/true, origin_->host()});
    ASSERT_TRUE(servers) << servers.error().message;
    servers_.emplace(std::move(*servers));
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_->path() / name;
  }
  void build(const std::string& name, const std::string& value) {
    std::ofstream(path(name + ".csv")) << "alice," << value << "\nbob,other\n";
    const Outcome built =
        run({"snapshot", "build", "--input", path(name + ".csv"), "--output", path(name)});
    ASSERT_EQ(built.exit_code, 0) << built.output;
  }

  [[nodiscard]] ChildProcess start(const std::vector<std::string>& arguments,
                                   const std::filesystem::path& log) {
    auto child = ChildProcess::start(gyre_program, arguments, log);
    if (!child) throw std::runtime_error(child.error().message);
    return std::move(*child);
  }
  [[nodiscard]] Outcome run(const std::vector<std::string>& arguments) {
    const std::filesystem::path log = path("log" + std::to_string(++runs_));
    ChildProcess child = start(arguments, log);
    const auto ended = child.wait(limit);
    EXPECT_TRUE(ended) << "still running";
    return {ended.value_or(-1), contents_of(log)};
  }
  // Of both servers, or of one.
  [[nodiscard]] std::vector<std::string> rotation(const std::string& name,
                                                  const std::vector<std::size_t>& parties = {0,
                                                                                             1}) {
    std::vector<std::string> arguments = {"rotate", "--manifest-url",
                                          origin_->url(name + ".manifest.json"), "--token-file",
                                          path("admin-token")};
    for (const std::size_t party : parties) {
      arguments.insert(arguments.end(), {"--to", servers_->admin_url(party)});
    }
    return arguments;
  }
  // The newest rotation of a server.
  [[nodiscard]] json newest_rotation(std::size_t party) {
    const auto address = client::ServerAddress::parse(servers_->admin_url(party));
    auto server = client::resolve(*address, std::chrono::seconds(5));
    auto admin = client::AdminClient::create(std::move(*server), {}, servers_->admin_token());
    auto reply = admin->request("GET", "/admin/rotations", {}, {}, limit);
    if (!reply) throw std::runtime_error(reply.error().message);
    const json rotations = json::parse(reply->body)["rotations"];
    return rotations.empty() ? json() : rotations[0];
  }
  void wait_until_streaming(std::size_t party) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const json rotation = newest_rotation(party);
      if (!rotation.is_null() && rotation["phase"] == "stream") return;
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  // What a client is told that the key is worth.
  [[nodiscard]] static std::string value_for(client::PirClient& client) {
    const std::string text = "alice";
    const auto bytes = as_bytes(text);
    const std::vector<std::byte> key(bytes.begin(), bytes.end());
    auto found = client.lookup({&key, 1});
    if (!found) return found.error().message;
    const auto& value = found->front().value;
    if (!value) return "absent";
    std::string printable(reinterpret_cast<const char*>(value->data()), value->size());
    return printable.substr(0, printable.find('\0'));
  }

  std::optional<TemporaryDirectory> directory_;
  std::unique_ptr<SlowOrigin> origin_;
  std::optional<ServerProcesses> servers_;
  int runs_ = 0;
};

TEST_F(RotateCommand, BothServersServeTheSnapshotAndTheSecondTimeNothingIsDone) {
  const Outcome first = run(rotation("new"));
  EXPECT_EQ(first.exit_code, 0) << first.output;
  EXPECT_NE(first.output.find(servers_->admin_url(0) + " serves epoch "), std::string::npos)
      << first.output;
  EXPECT_NE(first.output.find(servers_->admin_url(1) + " serves epoch "), std::string::npos);
  const Outcome second = run(rotation("new"));
  EXPECT_EQ(second.exit_code, 0) << second.output;
  EXPECT_NE(second.output.find("already serves epoch "), std::string::npos) << second.output;
}

TEST_F(RotateCommand, RowsByThemselvesAreDescribedByTheManifestHere) {
  std::vector<std::string> arguments = rotation("new");
  arguments[1] = "--url";
  arguments[2] = origin_->url("new.rows");
  arguments.insert(arguments.end(), {"--manifest", path("new.manifest.json")});
  const Outcome rotated = run(arguments);
  EXPECT_EQ(rotated.exit_code, 0) << rotated.output;
}

TEST_F(RotateCommand, ARefusalIsTheServersSentence) {
  const Outcome missing = run(rotation("nobody"));
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.output.find("the origin has no such source"), std::string::npos)
      << missing.output;
  std::ofstream(path("new.rows"), std::ios::in | std::ios::out) << "damage";
  const Outcome damaged = run(rotation("new"));
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.output.find("digest"), std::string::npos) << damaged.output;
}

TEST_F(RotateCommand, WhatOneServerRefusesIsCancelledOnTheOther) {
  servers_->process(1).signal(SIGKILL);
  ASSERT_TRUE(servers_->process(1).wait(limit));
  origin_->set_rate(1);
  const Outcome rotated = run(rotation("new"));
  EXPECT_EQ(rotated.exit_code, 1);
  EXPECT_NE(rotated.output.find(servers_->admin_url(1)), std::string::npos) << rotated.output;
  EXPECT_EQ(newest_rotation(0)["state"], "cancelled");
}

TEST_F(RotateCommand, InterruptingItCancelsBoth) {
  // The manifest at full speed, its rows at a crawl.
  ChildProcess rotating = [&] {
    std::vector<std::string> arguments = rotation("new");
    arguments[1] = "--url";
    arguments[2] = origin_->url("new.rows");
    arguments.insert(arguments.end(), {"--manifest", path("new.manifest.json")});
    origin_->set_rate(1);
    return start(arguments, path("log"));
  }();
  wait_until_streaming(0);
  wait_until_streaming(1);
  rotating.signal(SIGINT);
  const auto ended = rotating.wait(limit);
  ASSERT_TRUE(ended);
  EXPECT_EQ(*ended, 1) << contents_of(path("log"));
  EXPECT_EQ(newest_rotation(0)["state"], "cancelled");
  EXPECT_EQ(newest_rotation(1)["state"], "cancelled");
}

TEST_F(RotateCommand, AClientFollowsServersThatRotateApart) {
  auto connected = scenario::connect_clients(*servers_);
  ASSERT_TRUE(connected) << connected.error().message;
  client::PirClient& client = **connected;
  const EpochId old_epoch = client.epoch()->id;
  EXPECT_EQ(value_for(client), "1");
  for (const std::size_t party : {0U, 1U}) {
    const Outcome rotated = run(rotation("new", {party}));
    ASSERT_EQ(rotated.exit_code, 0) << rotated.output;
    // By the epoch that it has chosen, with that epoch's seeds: the first server retains it, and
    // the other one serves it.
    EXPECT_EQ(value_for(client), "1");
    ASSERT_TRUE(client.refresh());
    if (party == 0) {
      EXPECT_EQ(client.epoch()->id, old_epoch);
      EXPECT_EQ(value_for(client), "1");
    }
  }
  EXPECT_NE(client.epoch()->id, old_epoch);
  EXPECT_EQ(value_for(client), "2");
}

TEST_F(RotateCommand, ShowsItsCertificateToAServerThatAsksForOne) {
  write_self_signed("IP:127.0.0.1", path("server.pem"), path("server.key"));
  write_self_signed("DNS:ops", path("client.pem"), path("client.key"));
  ChildProcess server = start({"serve",
                               "--snapshot",
                               path("old.manifest.json"),
                               "--party",
                               "0",
                               "--listen",
                               "127.0.0.1:0",
                               "--admin-listen",
                               "127.0.0.1:0",
                               "--admin-token-file",
                               path("admin-token"),
                               "--admin-tls-cert",
                               path("server.pem"),
                               "--admin-tls-key",
                               path("server.key"),
                               "--admin-client-ca",
                               path("client.pem"),
                               "--admin-client-subject",
                               "CN=test",
                               "--source-root",
                               directory_->path().string(),
                               "--admin-ready-file",
                               path("tls-ready")},
                              path("server.log"));
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::string url;
  while (url.empty() && std::chrono::steady_clock::now() < deadline) {
    std::ifstream ready(path("tls-ready"));
    std::getline(ready, url);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::vector<std::string> arguments = {"rotate",
                                        "--manifest-url",
                                        "file:///new.manifest.json",
                                        "--token-file",
                                        path("admin-token"),
                                        "--to",
                                        url,
                                        "--ca-file",
                                        path("server.pem")};
  const Outcome without = run(arguments);
  EXPECT_EQ(without.exit_code, 1) << without.output;
  arguments.insert(arguments.end(), {"--client-certificate", path("client.pem")});
  EXPECT_EQ(run(arguments).exit_code, 2) << "a certificate without its key";
  arguments.insert(arguments.end(), {"--client-key", path("client.key")});
  const Outcome with = run(arguments);
  EXPECT_EQ(with.exit_code, 0) << with.output << contents_of(path("server.log"));
}

TEST_F(RotateCommand, WrongWordsExitWithTwo) {
  EXPECT_EQ(run({"rotate", "--to", servers_->admin_url(0)}).exit_code, 2);
  std::vector<std::string> thrice = rotation("new");
  thrice.insert(thrice.end(), {"--to", servers_->admin_url(0)});
  EXPECT_EQ(run(thrice).exit_code, 2);
}

}  // namespace
}  // namespace gyre
