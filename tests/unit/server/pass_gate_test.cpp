#include "harness/server/pass_gate.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/code_of.hpp"

namespace gyre::server {
namespace {

constexpr Deadline never = Deadline::max();

void wait_for_waiting(const PassGate& gate, std::size_t number) {
  while (gate.waiting() != number) std::this_thread::yield();
}

TEST(PassGate, TurnsComeInTheOrderOfAsking) {
  PassGate gate(1, 8);
  std::vector<int> order;  // only whoever has the turn writes
  std::vector<std::thread> threads;
  {
    const auto held = gate.enter(never);
    ASSERT_TRUE(held);
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&gate, &order, i] {
        const auto turn = gate.enter(never);
        ASSERT_TRUE(turn);
        order.push_back(i);
      });
      wait_for_waiting(gate, static_cast<std::size_t>(i) + 1);
    }
    EXPECT_EQ(code_of(gate.enter(never)), ErrorCode::queue_full);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(PassGate, AnotherTurnComesAfterThoseWhoWaitAndNeedsNoRoom) {
  PassGate gate(1, 1);
  std::string order;
  auto turn = gate.enter(never);
  ASSERT_TRUE(turn);
  EXPECT_TRUE(turn->take_another(never)) << "nobody waits";
  std::thread other([&] {
    const auto own = gate.enter(never);
    ASSERT_TRUE(own);
    order += 'b';
  });
  wait_for_waiting(gate, 1);
  order += 'a';
  ASSERT_TRUE(turn->take_another(never));
  order += 'c';
  other.join();
  EXPECT_EQ(order, "abc");
}

TEST(PassGate, AfterItsDeadlineNobodyHoldsOrBlocksATurn) {
  PassGate gate(1, 2);
  auto turn = gate.enter(never);
  ASSERT_TRUE(turn);
  EXPECT_EQ(code_of(gate.enter(std::chrono::steady_clock::now())), ErrorCode::queue_full);
  EXPECT_EQ(gate.waiting(), 0U);
  std::thread other([&] {
    auto own = gate.enter(never);
    ASSERT_TRUE(own);
    wait_for_waiting(gate, 0);  // the first one has given up
  });
  wait_for_waiting(gate, 1);
  EXPECT_EQ(code_of(turn->take_another(std::chrono::steady_clock::now())), ErrorCode::queue_full);
  other.join();
  EXPECT_TRUE(gate.enter(std::chrono::steady_clock::now())) << "the turn was given back";
}

TEST(PassGate, ClosedItGivesNoTurnToAnybody) {
  PassGate gate(1, 2);
  auto turn = gate.enter(never);
  ASSERT_TRUE(turn);
  std::thread other([&] { EXPECT_EQ(code_of(gate.enter(never)), ErrorCode::draining); });
  wait_for_waiting(gate, 1);
  gate.close();
  other.join();
  EXPECT_EQ(code_of(turn->take_another(never)), ErrorCode::draining);
  EXPECT_EQ(code_of(gate.enter(never)), ErrorCode::draining);
}

}  // namespace
}  // namespace gyre::server
