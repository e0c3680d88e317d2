#include "harness/scenario/child_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
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
  std::string text_of_log() const {
    std::ifstream file(log());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::optional<TemporaryDirectory> directory_;
};

TEST_F(ChildProcessTest, ReportsExitCodeAndOutput) {
  auto child = ChildProcess::start("/bin/sh", {"-c", "echo said; exit 3"}, log());
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(10s), 3);
  EXPECT_EQ(text_of_log(), "said\n");
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

TEST_F(ChildProcessTest, GetsNoOptionsFromTheEnvironment) {
  ::setenv("GYRE_ADMIN_TOKEN", "of-somebody-else", 1);
  ::setenv("GYRE_FAULTS", "plan", 1);
  ::setenv("GYRE_FAULT_SEED", "7", 1);
  ::setenv("OTHER_GYRE_VARIABLE", "other", 1);
  auto child = ChildProcess::start("/usr/bin/env", {}, log());
  ::unsetenv("GYRE_ADMIN_TOKEN");
  ::unsetenv("GYRE_FAULTS");
  ::unsetenv("GYRE_FAULT_SEED");
  ::unsetenv("OTHER_GYRE_VARIABLE");
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(10s), 0);
  const std::string variables = "\n" + text_of_log();
  EXPECT_EQ(variables.find("\nGYRE_ADMIN_TOKEN="), std::string::npos) << variables;
  EXPECT_NE(variables.find("\nGYRE_FAULTS=plan\n"), std::string::npos) << variables;
  EXPECT_NE(variables.find("\nGYRE_FAULT_SEED=7\n"), std::string::npos) << variables;
  EXPECT_NE(variables.find("\nOTHER_GYRE_VARIABLE=other\n"), std::string::npos) << variables;
}

TEST_F(ChildProcessTest, GetsWhatItIsGivenInPlaceOfWhatThisProcessHas) {
  ::setenv("GYRE_FAULTS", "of this process", 1);
  auto child =
      ChildProcess::start("/usr/bin/env", {}, log(), {"GYRE_FAULTS=of the child", "OTHER=new"});
  ::unsetenv("GYRE_FAULTS");
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait(10s), 0);
  const std::string variables = "\n" + text_of_log();
  EXPECT_NE(variables.find("\nGYRE_FAULTS=of the child\n"), std::string::npos) << variables;
  EXPECT_EQ(variables.find("of this process"), std::string::npos) << variables;
  EXPECT_NE(variables.find("\nOTHER=new\n"), std::string::npos) << variables;
}

TEST_F(ChildProcessTest, CanBeAskedToEndThoughItsOwnerBlocksTheSignal) {
  sigset_t term;
  sigset_t before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, &before), 0);
  auto child = ChildProcess::start("/bin/sleep", {"60"}, log());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(child);
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

TEST(TemporaryDirectoryTest, AllOfThemCanBeRemovedAtOnce) {
  auto first = TemporaryDirectory::create();
  const auto second = TemporaryDirectory::create();
  ASSERT_TRUE(first && second);
  const TemporaryDirectory moved = std::move(*first);
  std::ofstream(moved.path() / "file") << "content";
  remove_temporary_directories();
  EXPECT_FALSE(std::filesystem::exists(moved.path()));
  EXPECT_FALSE(std::filesystem::exists(second->path()));
}

}  // namespace
}  // namespace gyre::scenario
