#include "harness/source/local_source.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/code_of.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

class LocalSource : public TemporaryDirectoryTest {
 protected:
  LocalSource() {
    std::filesystem::create_directories(root() / "inner");
    policy_.local_root = root();
    directory_.write("outside", "outside");
    directory_.write("root/table.rows", content_);
    directory_.write("root/inner/table.rows", "inner");
  }
  [[nodiscard]] std::filesystem::path root() const { return directory_.path() / "root"; }
  [[nodiscard]] Result<std::string> content_of(const std::string& path) const {
    return fetch("file://" + path, policy_);
  }
  void link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, root() / name);
  }

  const std::string content_ = std::string(300'000, 'x') + "end";
  SourcePolicy policy_;
};

TEST_F(LocalSource, IsRelativeToTheRoot) {
  EXPECT_EQ(content_of("/table.rows"), content_);
  EXPECT_EQ(content_of("/inner/table.rows"), "inner");
  const auto source = open("file:///table.rows", policy_, no_bound, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), content_.size());
  EXPECT_EQ(read_all(**source, 7), content_);
  EXPECT_EQ(read_all(**source), "");  // the end stays the end
}

TEST_F(LocalSource, MayBeEmpty) {
  directory_.write("root/empty", "");
  EXPECT_EQ(content_of("/empty"), "");
}

TEST_F(LocalSource, NeedsARoot) {
  policy_.local_root.clear();
  EXPECT_EQ(code_of(content_of("/table.rows")), ErrorCode::source_not_allowed);
}

TEST_F(LocalSource, FollowsLinksThatStayInside) {
  link("table.rows", "link");
  link("inner", "directory");
  link("../table.rows", "inner/up");
  EXPECT_EQ(content_of("/link"), content_);
  EXPECT_EQ(content_of("/directory/table.rows"), "inner");
  EXPECT_EQ(content_of("/inner/up"), content_);
}

TEST_F(LocalSource, RefusesLinksThatLeave) {
  link("../outside", "up");
  link("..", "parent");
  link((directory_.path() / "outside").string(), "absolute");
  link((root() / "table.rows").string(), "absolute-inside");
  link("../root/table.rows", "out-and-in");
  link("up", "twice");
  for (const char* path : {"/up", "/parent/outside", "/absolute", "/absolute-inside", "/out-and-in",
                           "/twice", "/parent/root/table.rows"}) {
    EXPECT_EQ(code_of(content_of(path)), ErrorCode::source_not_allowed) << path;
  }
}

TEST_F(LocalSource, RefusesDotsBeforeTheKernelSeesThem) {
  EXPECT_EQ(code_of(content_of("/../outside")), ErrorCode::unsupported_url);
  EXPECT_EQ(code_of(content_of("/inner/../table.rows")), ErrorCode::unsupported_url);
}

TEST_F(LocalSource, TheRootItselfMayBeBehindALink) {
  std::filesystem::create_symlink("root", directory_.path() / "alias");
  policy_.local_root = directory_.path() / "alias";
  EXPECT_EQ(content_of("/table.rows"), content_);
}

TEST_F(LocalSource, MissingFilesAreNotFound) {
  link("nothing", "dangling");
  for (const std::string& path :
       {std::string("/missing"), std::string("/missing/table.rows"), std::string("/table.rows/x"),
        std::string("/dangling"), "/" + std::string(300, 'x')}) {
    EXPECT_EQ(code_of(content_of(path)), ErrorCode::not_found) << path;
  }
}

TEST_F(LocalSource, OnlyRegularFiles) {
  ASSERT_EQ(::mkfifo((root() / "fifo").c_str(), 0600), 0);
  link("fifo", "link-to-fifo");
  link("link-loop", "link-loop");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = root() / "socket";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  for (const char* name : {"/fifo", "/link-to-fifo", "/link-loop", "/socket", "/inner"}) {
    EXPECT_EQ(code_of(content_of(name)), ErrorCode::source_not_allowed) << name;
  }
  ::close(socket);
}

TEST_F(LocalSource, NoDevices) {
  policy_.local_root = "/dev";
  EXPECT_EQ(code_of(content_of("/zero")), ErrorCode::source_not_allowed);
  policy_.local_root = "/proc";  // its magic links lead anywhere
  EXPECT_EQ(code_of(content_of("/self/exe")), ErrorCode::source_not_allowed);
}

TEST_F(LocalSource, IsHeldToItsBound) {
  EXPECT_EQ(fetch("file:///table.rows", policy_, content_.size()), content_);
  EXPECT_EQ(code_of(fetch("file:///table.rows", policy_, content_.size() - 1)),
            ErrorCode::request_too_large);
  policy_.max_bytes = content_.size() - 1;
  EXPECT_EQ(code_of(content_of("/table.rows")), ErrorCode::request_too_large);
}

TEST_F(LocalSource, GivesTheBytesItHadWhenItWasOpened) {
  const auto source = open("file:///inner/table.rows", policy_, no_bound, {});
  ASSERT_TRUE(source);
  directory_.write("root/inner/table.rows", "inner and more");
  EXPECT_EQ(read_all(**source), "inner");
}

TEST_F(LocalSource, FailsIfItBecomesShorter) {
  const auto source = open("file:///table.rows", policy_, no_bound, {});
  ASSERT_TRUE(source);
  std::filesystem::resize_file(root() / "table.rows", 1000);
  EXPECT_EQ(code_of(read_all(**source)), ErrorCode::source_failed);
}

TEST_F(LocalSource, CanBeCancelled) {
  std::stop_source stop;
  const auto source = open("file:///table.rows", policy_, no_bound, stop.get_token());
  ASSERT_TRUE(source);
  stop.request_stop();
  EXPECT_EQ(code_of(read_all(**source)), ErrorCode::cancelled);
  EXPECT_EQ(code_of(open("file:///table.rows", policy_, no_bound, stop.get_token())),
            ErrorCode::cancelled);
}

}  // namespace
}  // namespace gyre::source
