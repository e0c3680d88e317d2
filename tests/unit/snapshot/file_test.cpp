#include "harness/snapshot/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/bytes.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::snapshot {
namespace {

using OutputFilesTest = TemporaryDirectoryTest;
using FileTest = TemporaryDirectoryTest;

TEST_F(OutputFilesTest, HaveNoNameBeforeCommit) {
  OutputFiles files(directory_.path());
  auto file = files.create("a", "a file", 0666);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->write(as_bytes("content")));
  EXPECT_FALSE(directory_.files().contains("a"));
  ASSERT_TRUE(files.commit());
  EXPECT_EQ(directory_.files(), std::set<std::string>{"a"});
  EXPECT_EQ(directory_.read("a"), "content");
}

TEST_F(OutputFilesTest, DroppedTheyLeaveNothing) {
  {
    OutputFiles files(directory_.path());
    ASSERT_TRUE(files.create("a", "a file", 0666));
    ASSERT_TRUE(files.create("b", "a file", 0600));
    EXPECT_EQ(directory_.files().size(), 2U);
  }
  EXPECT_TRUE(directory_.files().empty());
}

TEST_F(OutputFilesTest, DoNotReplaceWhatIsThere) {
  directory_.write("a", "old");
  OutputFiles files(directory_.path());
  EXPECT_EQ(code_of(files.create("a", "a file", 0666)), ErrorCode::io_failed);
  EXPECT_EQ(directory_.read("a"), "old");
}

TEST_F(OutputFilesTest, AreNamedTogetherOrNotAtAll) {
  {
    OutputFiles files(directory_.path());
    ASSERT_TRUE(files.create("a", "a file", 0666));
    ASSERT_TRUE(files.create("b", "a file", 0666));
    directory_.write("b", "somebody else was quicker");
    EXPECT_EQ(code_of(files.commit()), ErrorCode::io_failed);
  }
  EXPECT_EQ(directory_.files(), std::set<std::string>{"b"});
  EXPECT_EQ(directory_.read("b"), "somebody else was quicker");
}

TEST_F(OutputFilesTest, TwoOfOneNameDoNotShareTheirTemporaryFile) {
  OutputFiles first(directory_.path());
  OutputFiles second(directory_.path());
  auto a = first.create("a", "a file", 0666);
  auto b = second.create("a", "a file", 0666);
  ASSERT_TRUE(a && b);
  ASSERT_TRUE((*a)->write(as_bytes("first")));
  ASSERT_TRUE((*b)->write(as_bytes("second")));
  EXPECT_TRUE(first.commit());
  EXPECT_EQ(code_of(second.commit()), ErrorCode::io_failed);
  EXPECT_EQ(directory_.read("a"), "first");
}

TEST_F(OutputFilesTest, KeepPrivateFilesPrivate) {
  OutputFiles files(directory_.path());
  ASSERT_TRUE(files.create("a", "a file", 0600));
  ASSERT_TRUE(files.commit());
  struct stat status {};
  ASSERT_EQ(::stat((directory_.path() / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(OutputFilesTest, NeedADirectory) {
  OutputFiles files(directory_.path() / "missing");
  EXPECT_EQ(code_of(files.create("a", "a file", 0666)), ErrorCode::io_failed);
}

TEST_F(FileTest, OnlyRegularFilesAreOpened) {
  EXPECT_EQ(code_of(File::open(directory_.path(), "it")), ErrorCode::io_failed);
  EXPECT_EQ(code_of(File::open(directory_.path() / "missing", "it")), ErrorCode::io_failed);
  const auto pipe = directory_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(code_of(File::open(pipe, "it")), ErrorCode::io_failed);
}

TEST_F(FileTest, UnnamedFilesAreNotInTheDirectory) {
  auto file = File::unnamed(directory_.path(), "it");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(directory_.files().empty());
  ASSERT_TRUE(file->write_at(3, as_bytes("abc")));
  std::string read(10, '?');
  EXPECT_EQ(file->read_at(1, std::as_writable_bytes(std::span(read))), 5U);
  EXPECT_EQ(read.substr(0, 5), std::string("\0\0abc", 5));
}

TEST_F(FileTest, ATextIsReadWithinItsBound) {
  const auto path = directory_.write("text", "12345");
  EXPECT_EQ(read_text(path, "it", 5), "12345");
  EXPECT_EQ(code_of(read_text(path, "it", 4)), ErrorCode::malformed_input);
}

TEST_F(FileTest, BufferedPiecesArriveInOrder) {
  auto file = File::unnamed(directory_.path(), "it");
  ASSERT_TRUE(file);
  const std::string large(3'000'000, 'x');
  BufferedWriter writer(*file);
  for (const std::string_view piece : {std::string_view("begin"), std::string_view(large),
                                       std::string_view(""), std::string_view("end")}) {
    ASSERT_TRUE(writer.write(as_bytes(piece)));
  }
  ASSERT_TRUE(writer.finish());
  BufferedReader reader(*file);
  std::string read(large.size() + 8, '?');
  ASSERT_TRUE(reader.read(std::as_writable_bytes(std::span(read))));
  EXPECT_TRUE(read == "begin" + large + "end");
  std::byte more{};
  EXPECT_EQ(code_of(reader.read({&more, 1})), ErrorCode::io_failed);
}

}  // namespace
}  // namespace gyre::snapshot
