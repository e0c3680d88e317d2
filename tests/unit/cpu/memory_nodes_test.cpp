#include "backends/cpu/memory_nodes.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/test_directory.hpp"

namespace gyre::cpu {
namespace {

Processors processors_of(const std::vector<unsigned>& numbers) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned number : numbers) CPU_SET(number, &set);
  return Processors(set);
}

std::vector<unsigned> numbers_of(const Processors& processors) {
  std::vector<unsigned> numbers;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (processors.has(cpu)) numbers.push_back(cpu);
  }
  return numbers;
}

TEST(ProcessorList, IsReadAsTheKernelWritesIt) {
  const auto numbers = [](const char* text) {
    return numbers_of(Processors(parse_processor_list(text).value()));
  };
  using Numbers = std::vector<unsigned>;
  EXPECT_EQ(numbers(""), Numbers{});
  EXPECT_EQ(numbers("\n"), Numbers{});
  EXPECT_EQ(numbers("7"), Numbers{7});
  EXPECT_EQ(numbers("0-3,8,10-11\n"), (Numbers{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(numbers("5-5,2"), (Numbers{2, 5}));
  EXPECT_EQ(numbers("1022-4294967295"), (Numbers{1022, 1023}));
  EXPECT_EQ(numbers("3,1024,99999"), Numbers{3});
}

TEST(ProcessorList, WhatIsNoneIsRefused) {
  for (const char* text :
       {",",        "1,",   ",1",    "1,,2", "-",          "-1",
        "1-",       "3-1",  "1-2-3", "a",    "1a",         "0x1",
        " 1",       "1 2",  "+1",    "1-+2", "4294967296", "0-99999999999999999999",
        "0-10:2/4", "1\n2", "\t"}) {
    EXPECT_FALSE(parse_processor_list(text)) << text;
  }
  EXPECT_FALSE(parse_processor_list(std::string_view("1\0", 2)));
}

class MemoryNodesOfADirectory : public testing::Test {
 protected:
  void write(const std::string& node, const std::string& list) {
    std::filesystem::create_directories(directory_.path() / node);
    std::ofstream(directory_.path() / node / "cpulist") << list;
  }
  [[nodiscard]] std::vector<std::vector<unsigned>> read() const {
    const MemoryNodes nodes = MemoryNodes::read(directory_.path(), allowed_);
    std::vector<std::vector<unsigned>> numbers;
    for (unsigned node = 0; node < nodes.count(); ++node) {
      numbers.push_back(numbers_of(nodes.processors(node)));
    }
    return numbers;
  }
  [[nodiscard]] const TestDirectory& directory() const { return directory_; }

  using Nodes = std::vector<std::vector<unsigned>>;
  const Nodes one_node = {{1, 2, 3, 10, 11}};

 private:
  TestDirectory directory_;
  Processors allowed_ = processors_of({1, 2, 3, 10, 11});
};

TEST_F(MemoryNodesOfADirectory, AreThoseWithProcessorsOfThisProcessInTheirOrder) {
  write("node10", "10-19\n");
  write("node9", "0-3\n");
  write("node2", "\n");       // memory alone
  write("node3", "20-29\n");  // none of this process's
  std::ofstream(directory().path() / "possible") << "0-3\n";
  std::filesystem::create_directories(directory().path() / "power");
  write("node1x", "1");  // not a node
  write("node", "1");
  EXPECT_EQ(read(), (Nodes{{1, 2, 3}, {10, 11}}));
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereOnlyOneIsOfUse) {
  write("node0", "0-11\n");
  write("node1", "12-23\n");
  EXPECT_EQ(read(), one_node);
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereTheDirectorySaysNothing) {
  EXPECT_EQ(read(), one_node);
  const MemoryNodes nowhere =
      MemoryNodes::read(directory().path() / "not there", processors_of({4}));
  EXPECT_EQ(nowhere.count(), 1U);
  EXPECT_EQ(numbers_of(nowhere.processors(0)), std::vector<unsigned>{4});
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereAListIsMalformed) {
  write("node0", "0-3\n");
  write("node1", "10-\n");
  EXPECT_EQ(read(), one_node);
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereAListIsMissingOrEndless) {
  write("node0", "0-3\n");
  std::filesystem::create_directories(directory().path() / "node1");
  EXPECT_EQ(read(), one_node);
  std::filesystem::create_directories(directory().path() / "node1/cpulist");
  EXPECT_EQ(read(), one_node);
  std::filesystem::remove(directory().path() / "node1/cpulist");
  std::filesystem::create_symlink("/dev/zero", directory().path() / "node1/cpulist");
  EXPECT_EQ(read(), one_node);
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereAProcessorIsInTwoOrInNone) {
  write("node0", "0-3\n");
  write("node1", "3,10-11\n");
  EXPECT_EQ(read(), one_node);
  write("node1", "10\n");
  EXPECT_EQ(read(), one_node);
  write("node1", "10-11\n");
  EXPECT_EQ(read(), (Nodes{{1, 2, 3}, {10, 11}}));
}

TEST_F(MemoryNodesOfADirectory, AreOneWhereThereAreMoreThanAnyMachineHas) {
  write("node0", "1-2\n");
  write("node1", "3,10-11\n");
  ASSERT_EQ(read().size(), 2U);
  cpu_set_t many;
  CPU_ZERO(&many);
  for (unsigned node = 0; node <= MemoryNodes::max_count; ++node) {
    CPU_SET(node, &many);
    write("node" + std::to_string(node), std::to_string(node));
  }
  EXPECT_EQ(MemoryNodes::read(directory().path(), Processors(many)).count(), 1U);
}

TEST(MemoryNodesOfThisMachine, HaveAllItsProcessors) {
  const MemoryNodes nodes = MemoryNodes::of_this_process();
  unsigned processors = 0;
  for (unsigned node = 0; node < nodes.count(); ++node) {
    processors += nodes.processors(node).count();
  }
  EXPECT_EQ(processors, Processors().count());
  EXPECT_LT(nodes.of_this_thread(), nodes.count());
}

TEST(NodeOfPart, GivesEveryNodeConsecutiveParts) {
  std::vector<unsigned> nodes;
  for (unsigned part = 0; part < 7; ++part) nodes.push_back(node_of_part(part, 7, 3));
  EXPECT_EQ(nodes, (std::vector<unsigned>{0, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(node_of_part(0, 1, 64), 0U);
  EXPECT_EQ(node_of_part(4095, 4096, 64), 63U);
}

}  // namespace
}  // namespace gyre::cpu
