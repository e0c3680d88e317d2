#include "harness/server/connection_table.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "harness/server/listening_socket.hpp"

namespace gyre::server {
namespace {

// A connection of this process with itself.
class Pair {
 public:
  Pair() {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets.data()), 0);
    ours = FileDescriptor(sockets[0]);
    theirs = FileDescriptor(sockets[1]);
  }
  // Whether our side was shut down.
  [[nodiscard]] bool ended() const {
    char byte = 0;
    return ::recv(theirs.get(), &byte, 1, 0) == 0;
  }
  FileDescriptor ours;
  FileDescriptor theirs;
};

TEST(ConnectionTable, EvictsFirstWhoHasLeastToLose) {
  ConnectionTable table;
  // In the reverse of the order in which they are to go, so that their age says the contrary.
  constexpr std::array order = {Phase::idle, Phase::lingering, Phase::receiving_head,
                                Phase::receiving_body, Phase::sending};
  std::array<Pair, order.size()> pairs;
  std::array<std::optional<ConnectionTable::Registration>, order.size()> entries;
  Pair at_work;
  ConnectionTable::Registration working(table, at_work.ours.get());
  ASSERT_TRUE(working.enter(Phase::working));
  for (std::size_t i = order.size(); i-- > 0;) {
    entries[i].emplace(table, pairs[i].ours.get());
    ASSERT_TRUE(entries[i]->enter(order[i]));
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    EXPECT_FALSE(pairs[i].ended());
    EXPECT_TRUE(table.evict_one());
    EXPECT_TRUE(pairs[i].ended());
    EXPECT_FALSE(entries[i]->enter(Phase::working));
    entries[i].reset();
  }
  // What is at work is never evicted.
  EXPECT_FALSE(table.evict_one());
  EXPECT_FALSE(at_work.ended());
}

TEST(ConnectionTable, EvictsNobodyTwice) {
  ConnectionTable table;
  Pair pair;
  ConnectionTable::Registration entry(table, pair.ours.get());
  ASSERT_TRUE(entry.enter(Phase::sending));
  EXPECT_TRUE(table.evict_one());
  EXPECT_FALSE(table.evict_one());
}

TEST(ConnectionTable, AmongEqualsTheLongestInItsPhaseGoesFirst) {
  ConnectionTable table;
  Pair first, second;
  ConnectionTable::Registration a(table, first.ours.get());
  ConnectionTable::Registration b(table, second.ours.get());
  ASSERT_TRUE(a.enter(Phase::idle));
  ASSERT_TRUE(b.enter(Phase::receiving_body));
  ASSERT_TRUE(a.enter(Phase::receiving_body));
  EXPECT_TRUE(table.evict_one());
  EXPECT_TRUE(second.ended());
  EXPECT_FALSE(first.ended());
}

TEST(ConnectionTable, RefusingIdleOnesLeavesTheOthers) {
  ConnectionTable table;
  Pair idle, busy, late;
  ConnectionTable::Registration a(table, idle.ours.get());
  ConnectionTable::Registration b(table, busy.ours.get());
  ASSERT_TRUE(a.enter(Phase::idle));
  ASSERT_TRUE(b.enter(Phase::working));
  table.refuse_idle();
  ConnectionTable::Registration c(table, late.ours.get());
  ASSERT_TRUE(c.enter(Phase::idle));
  char byte = 0;
  EXPECT_EQ(::recv(idle.ours.get(), &byte, 1, 0), 0);
  EXPECT_EQ(::recv(late.ours.get(), &byte, 1, 0), 0);
  EXPECT_EQ(::recv(busy.ours.get(), &byte, 1, 0), -1);
  EXPECT_FALSE(busy.ended());
}

TEST(ConnectionTable, WhatHasComeCanBeReadAfterIdleOnesAreRefused) {
  ConnectionTable table;
  std::array<Pair, 2> pairs;  // one is idle when it happens, one becomes so afterwards
  ConnectionTable::Registration a(table, pairs[0].ours.get());
  ConnectionTable::Registration b(table, pairs[1].ours.get());
  ASSERT_TRUE(a.enter(Phase::idle));
  for (const Pair& pair : pairs) ASSERT_EQ(::send(pair.theirs.get(), "x", 1, 0), 1);
  table.refuse_idle();
  ASSERT_TRUE(b.enter(Phase::idle));
  char byte = 0;
  for (const Pair& pair : pairs) {
    EXPECT_EQ(::recv(pair.ours.get(), &byte, 1, 0), 1);
    // And so can what comes later: a request has begun.
    EXPECT_EQ(::send(pair.theirs.get(), "y", 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(::recv(pair.ours.get(), &byte, 1, 0), 1);
  }
  // Once that is answered it ends.
  ASSERT_TRUE(a.enter(Phase::idle));
  EXPECT_EQ(::recv(pairs[0].ours.get(), &byte, 1, 0), 0);
}

TEST(ConnectionTable, OneThatWaitsForAThreadCountsAndIsNotEvicted) {
  ConnectionTable table;
  Pair pair;
  const ConnectionTable::Registration waiting(table, pair.ours.get());
  EXPECT_EQ(table.size(), 1U);
  EXPECT_FALSE(table.evict_one());
  EXPECT_FALSE(table.wait_until_empty(std::chrono::steady_clock::now()));
}

TEST(ConnectionTable, CountsPhases) {
  ConnectionTable table;
  Pair pair;
  EXPECT_TRUE(table.wait_until_empty(std::chrono::steady_clock::now()));
  {
    ConnectionTable::Registration a(table, pair.ours.get());
    EXPECT_EQ(table.count(Phase::queued), 1U);
    ASSERT_TRUE(a.enter(Phase::idle));
    EXPECT_EQ(table.count(Phase::idle), 1U);
    ASSERT_TRUE(a.enter(Phase::working));
    EXPECT_EQ(table.count(Phase::idle), 0U);
    EXPECT_EQ(table.count(Phase::working), 1U);
    EXPECT_FALSE(table.wait_until_empty(std::chrono::steady_clock::now()));
  }
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace gyre::server
