#include "harness/scenario/child_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "harness/scenario/temporary_directory.hpp"

namespace gyre::scenario {
namespace {

using namespace std::chrono_literals;

class ChildProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TemporaryDirectory::create();
    ASSERT_TRUE(made);
    directory_.emplace(std::move(*made));
  }
  std::filesystem::path log() const { return directory_->path() / "log"; }

  std::optional<TemporaryDirectory> directory_;
};

TEST_F(ChildProcessTest, ReportsExitCodeAndOutput) {
  auto child = ChildProcess::start("/bin/sh", {"-c", "echo said; exit 3"}, log());
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(10s), 3);
  std::ifstream file(log());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "said\n");
}

TEST_F(ChildProcessTest, ReportsTheSignalThatEndedIt) {
  auto child = ChildProcess::start("/bin/sleep", {"60"}, log());
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->poll());
  const auto early = child->wait(20ms);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::timed_out);
  child->signal(SIGTERM);
  EXPECT_EQ(child->wait(10s), 128 + SIGTERM);
}

TEST_F(ChildProcessTest, AProgramThatIsNotThereEndsWith127) {
  auto child = ChildProcess::start(directory_->path() / "nothing", {}, log());
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(10s), 127);
}

TEST_F(ChildProcessTest, DoesNotOutliveItsOwner) {
  pid_t pid = -1;
  {
    auto child = ChildProcess::start("/bin/sleep", {"60"}, log());
    ASSERT_TRUE(child);
    pid = child->pid();
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(TemporaryDirectoryTest, GoesAwayWithItsOwner) {
  std::filesystem::path path;
  {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory);
    path = directory->path();
    std::ofstream(path / "file") << "content";
    EXPECT_TRUE(std::filesystem::exists(path / "file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace gyre::scenario
