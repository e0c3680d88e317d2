// gyre update against two admin listeners of the test's.
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/client/admin_token.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/update_codec.hpp"
#include "tests/unit/feed/small_feed.hpp"

namespace gyre::cli {
namespace {

using feed::build_small;
using feed::Entries;
using feed::ServedRows;

// Takes batches as an admin listener does, and refuses what it must.
class AdminListener {
 public:
  AdminListener(const TestDirectory& directory, const snapshot::Manifest& manifest)
      : rows_(directory, manifest) {
    server_.Post(
        "/admin/updates", [this](const httplib::Request& request, httplib::Response& response) {
          const std::lock_guard lock(mutex_);
          if (request.get_header_value("Authorization") != "Bearer open-sesame") {
            return refuse(response, 401, {ErrorCode::unauthorized, "the token is wrong"});
          }
          if (failures_left > 0) {
            --failures_left;
            return refuse(response, 503, {ErrorCode::overlay_full, "wait a little"});
          }
          if (refuses_all) {
            return refuse(response, 409, {ErrorCode::sequence_gap, "the next batch is number 99"});
          }
          take(request, response);
        });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~AdminListener() {
    server_.stop();
    thread_.join();
  }
  AdminListener(const AdminListener&) = delete;
  AdminListener& operator=(const AdminListener&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Between two runs. The mutex orders what the server's threads did before: they held it.
  [[nodiscard]] const ServedRows& rows() const {
    const std::lock_guard after_them(mutex_);
    return rows_;
  }
  [[nodiscard]] std::size_t resent() const {
    const std::lock_guard after_them(mutex_);
    return resent_;
  }

  std::atomic<int> failures_left = 0;
  std::atomic<bool> refuses_all = false;

 private:
  static void refuse(httplib::Response& response, int status, const Error& error) {
    response.status = status;
    response.set_content(protocol::encode_problem(error),
                         std::string(protocol::problem_media_type));
  }

  void take(const httplib::Request& request, httplib::Response& response) {
    const auto body = as_bytes(request.body);
    const auto seq = load_little_endian<std::uint64_t>(&body[4]);
    const bool resent = taken_.contains(seq);
    if (resent && taken_[seq] != request.body) {
      return refuse(response, 409, {ErrorCode::sequence_conflict, "that number is another's"});
    }
    if (!resent) rows_.apply(body);
    if (resent) ++resent_;
    taken_[seq] = request.body;
    response.set_content(protocol::encode_update_reply({seq, {}, 1, resent}), "application/json");
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  ServedRows rows_;
  std::map<std::uint64_t, std::string> taken_;
  std::size_t resent_ = 0;
};

class UpdateCommandTest : public TemporaryDirectoryTest {
 protected:
  UpdateCommandTest() : manifest_(build_small(directory_, {{"a", "1"}, {"b", "2"}}, 0.5)) {
    directory_.write("token", "open-sesame\n");
  }

  // Exit code and what it printed on standard error.
  std::pair<int, std::string> run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"--manifest", (directory_.path() / "table.manifest.json").string(),
                      "--token-file", (directory_.path() / "token").string()});
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int code = run_update(arguments);
    output_ = testing::internal::GetCapturedStdout();
    return {code, testing::internal::GetCapturedStderr()};
  }
  std::pair<int, std::string> run_to(const AdminListener& first, const AdminListener& second,
                                     std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--to", first.url(), "--to", second.url()});
    return run(std::move(arguments));
  }
  std::string input(const std::string& csv) { return directory_.write("puts.csv", csv).string(); }

  snapshot::Manifest manifest_;
  std::string output_;
};

TEST_F(UpdateCommandTest, BothServersHaveTheChanges) {
  const AdminListener first(directory_, manifest_);
  const AdminListener second(directory_, manifest_);
  const auto [code, errors] = run_to(first, second,
                                     {"--input", input("key,value\na,one\nc,three\n"), "--delete",
                                      directory_.write("gone.csv", "key\nb\n").string()});
  EXPECT_EQ(code, exit_success) << errors;
  for (const AdminListener* const server : {&first, &second}) {
    EXPECT_EQ(server->rows().find("a"), "one");
    EXPECT_EQ(server->rows().find("b"), std::nullopt);
    EXPECT_EQ(server->rows().find("c"), "three");
    EXPECT_EQ(server->rows().seq(), 1U);
  }
  EXPECT_EQ(first.rows().bytes(), second.rows().bytes());
  EXPECT_NE(output_.find("1 keys changed, 1 added, 1 deleted"), std::string::npos) << output_;
  EXPECT_NE(output_.find("the feed is at batch 1"), std::string::npos) << output_;
}

TEST_F(UpdateCommandTest, AServerThatMissedABatchGetsItOnTheNextRun) {
  AdminListener first(directory_, manifest_);
  AdminListener second(directory_, manifest_);
  second.refuses_all = true;
  const auto [code, errors] = run_to(first, second, {"--input", input("a,one\n")});
  EXPECT_EQ(code, exit_failure);
  EXPECT_NE(errors.find("the next batch is number 99"), std::string::npos) << errors;
  EXPECT_EQ(first.rows().find("a"), "one");
  EXPECT_EQ(second.rows().find("a"), "1");
  second.refuses_all = false;
  EXPECT_EQ(run_to(first, second, {}).first, exit_success);
  EXPECT_EQ(second.rows().find("a"), "one");
  EXPECT_EQ(first.rows().bytes(), second.rows().bytes());
  EXPECT_EQ(first.resent(), 0U);
}

TEST_F(UpdateCommandTest, ABusyServerIsAskedAgain) {
  AdminListener first(directory_, manifest_);
  const AdminListener second(directory_, manifest_);
  first.failures_left = 1;
  EXPECT_EQ(run_to(first, second, {"--input", input("a,one\n"), "--attempts", "2"}).first,
            exit_success);
  EXPECT_EQ(first.rows().find("a"), "one");
  first.failures_left = 1;
  EXPECT_EQ(run_to(first, second, {"--input", input("a,two\n"), "--attempts", "1"}).first,
            exit_failure);
  EXPECT_EQ(first.rows().find("a"), "one");
}

TEST_F(UpdateCommandTest, AWrongTokenIsRefusedAndNotShown) {
  const AdminListener first(directory_, manifest_);
  const AdminListener second(directory_, manifest_);
  directory_.write("token", "guessed-wrong\n");
  const auto [code, errors] = run_to(first, second, {"--input", input("a,one\n")});
  EXPECT_EQ(code, exit_failure);
  EXPECT_NE(errors.find("the token is wrong"), std::string::npos) << errors;
  EXPECT_EQ(errors.find("guessed-wrong"), std::string::npos);
  EXPECT_EQ(first.rows().find("a"), "1");
}

TEST_F(UpdateCommandTest, BatchesCanBeFilesInstead) {
  std::filesystem::create_directory(directory_.path() / "out");
  const auto [code, errors] =
      run({"--input", input("a,one\n"), "--out", (directory_.path() / "out").string()});
  EXPECT_EQ(code, exit_success) << errors;
  const std::string batch = directory_.read("out/00000000000000000001.batch");
  ServedRows rows(directory_, manifest_);
  rows.apply(as_bytes(batch));
  EXPECT_EQ(rows.find("a"), "one");
}

TEST_F(UpdateCommandTest, ServersThatLostBatchesGetThemAgain) {
  const std::string changes = input("a,one\n");
  {
    const AdminListener first(directory_, manifest_);
    const AdminListener second(directory_, manifest_);
    ASSERT_EQ(run_to(first, second, {"--input", changes}).first, exit_success);
  }
  const AdminListener first(directory_, manifest_);
  const AdminListener second(directory_, manifest_);
  EXPECT_EQ(run_to(first, second, {"--resend-from", "1"}).first, exit_success);
  EXPECT_EQ(first.rows().find("a"), "one");
  EXPECT_EQ(second.rows().find("a"), "one");
}

TEST_F(UpdateCommandTest, WordsThatDoNotFitChangeNothing) {
  const AdminListener first(directory_, manifest_);
  const AdminListener second(directory_, manifest_);
  const std::string csv = input("a,one\n");
  const std::vector<std::vector<std::string>> wrong{
      {"--input", csv},
      {"--input", csv, "--to", first.url()},
      {"--input", csv, "--to", first.url(), "--to", first.url()},
      {"--input", csv, "--to", first.url(), "--to", second.url(), "--out", "."},
      {"--input", csv, "--to", first.url(), "--to", "ftp://x"},
      {"--input", csv, "--to", first.url(), "--to", second.url(), "--batch-rows", "63"},
      {"--input", csv, "--to", first.url(), "--to", second.url(), "--batch-rows", "-1"},
      {"--input", csv, "--to", first.url(), "--to", second.url(), "--attempts", "0"},
      {"--input", "-", "--delete", "-", "--to", first.url(), "--to", second.url(), "--format",
       "csv"},
      {"--input", "puts.unknown", "--to", first.url(), "--to", second.url()},
  };
  for (const auto& arguments : wrong) EXPECT_EQ(run(arguments).first, exit_usage);
  EXPECT_FALSE(directory_.files().contains("table.feed.db"));
  const auto [code, errors] =
      run({"--input", csv, "--to", first.url(), "--to", "http://192.0.2.1:8081"});
  EXPECT_EQ(code, exit_failure);
  EXPECT_NE(errors.find("https://"), std::string::npos) << errors;
  EXPECT_FALSE(directory_.files().contains("table.feed.db"));
}

}  // namespace
}  // namespace gyre::cli
