#include "backends/cpu/memory_limit.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/test_directory.hpp"

namespace gyre::cpu {
namespace {

TEST(MemoryLimit, ReadsWhatAControlGroupSays) {
  EXPECT_EQ(parse_memory_max("1073741824\n"), 1'073'741'824U);
  EXPECT_EQ(parse_memory_max("0"), 0U);
  for (const char* text : {"max\n", "", "\n", "12x", "-1", "99999999999999999999999"}) {
    EXPECT_EQ(parse_memory_max(text), unlimited_bytes) << text;
  }
}

TEST(MemoryLimit, TheTightestGroupOfTheChainCounts) {
  const TestDirectory directory;
  const std::filesystem::path mount = directory.path();
  std::filesystem::create_directories(mount / "a/b/c");
  EXPECT_EQ(control_group_limit_bytes(mount, "a/b/c"), unlimited_bytes);
  std::ofstream(mount / "a/memory.max") << "max\n";
  std::ofstream(mount / "a/b/memory.max") << "500\n";
  std::ofstream(mount / "a/b/c/memory.max") << "700\n";
  EXPECT_EQ(control_group_limit_bytes(mount, "a/b/c"), 500U);
  EXPECT_EQ(control_group_limit_bytes(mount, "/a/b"), 500U);
  EXPECT_EQ(control_group_limit_bytes(mount, "a"), unlimited_bytes);
  std::ofstream(mount / "memory.max") << "300\n";
  EXPECT_EQ(control_group_limit_bytes(mount, "a/b/c"), 300U);
  EXPECT_EQ(control_group_limit_bytes(mount, ""), 300U);
}

TEST(MemoryLimit, ThisProcessHasSomeMemory) {
  EXPECT_GT(available_memory_bytes(), 0U);
  EXPECT_LT(available_memory_bytes(), unlimited_bytes);
}

}  // namespace
}  // namespace gyre::cpu
