#include "backends/cpu/kept_buffers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/code_of.hpp"

namespace gyre::cpu {
namespace {

constexpr std::uint64_t page = 4096;

// Takes a buffer and gives it back: from then on it is kept.
void use(KeptBuffers& buffers, std::uint64_t bytes) {
  auto buffer = buffers.take(bytes);
  ASSERT_TRUE(buffer) << buffer.error().message;
  EXPECT_GE(buffer->size(), bytes);
  buffers.give_back(std::move(*buffer));
}

TEST(KeptBuffers, GiveTheSameMemoryAgainWhereItIsEnough) {
  MemoryAccount account(100 * page);
  KeptBuffers buffers(account);
  auto buffer = buffers.take(8 * page);
  ASSERT_TRUE(buffer);
  const std::uint8_t* const memory = buffer->data();
  buffers.give_back(std::move(*buffer));
  EXPECT_EQ(account.used_bytes(), 8 * page);

  auto again = buffers.take(5 * page);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->data(), memory);
  buffers.give_back(std::move(*again));

  use(buffers, 9 * page);
  EXPECT_EQ(account.used_bytes(), 9 * page);
}

TEST(KeptBuffers, WhatNobodyUsesGivesWayToWhoeverNeedsIt) {
  MemoryAccount account(10 * page);
  KeptBuffers first(account);
  KeptBuffers second(account);
  use(first, 4 * page);
  use(second, 4 * page);
  ASSERT_EQ(account.used_bytes(), 8 * page);
  {
    const auto image = HugeBuffer::allocate(10 * page, account);
    ASSERT_TRUE(image);
    EXPECT_EQ(account.used_bytes(), 10 * page);
    EXPECT_EQ(code_of(first.take(1)), ErrorCode::out_of_memory);
  }
  EXPECT_EQ(account.used_bytes(), 0U);

  // One keeper's memory for another's buffer, and its own smaller ones for a larger one.
  use(first, 8 * page);
  use(second, 9 * page);
  EXPECT_EQ(account.used_bytes(), 9 * page);
}

TEST(KeptBuffers, WhatIsInUseStays) {
  MemoryAccount account(10 * page);
  KeptBuffers buffers(account);
  auto used = buffers.take(4 * page);
  ASSERT_TRUE(used);
  used->data()[0] = 7;
  use(buffers, 4 * page);
  EXPECT_EQ(code_of(HugeBuffer::allocate(7 * page, account)), ErrorCode::out_of_memory);
  EXPECT_EQ(account.used_bytes(), 4 * page);
  const auto fits = HugeBuffer::allocate(6 * page, account);
  EXPECT_TRUE(fits);
  EXPECT_EQ(used->data()[0], 7);
}

TEST(KeptBuffers, NothingIsGivenUpForWhatCanNeverFit) {
  MemoryAccount account(10 * page);
  KeptBuffers buffers(account);
  use(buffers, 4 * page);
  EXPECT_EQ(code_of(HugeBuffer::allocate(11 * page, account)), ErrorCode::out_of_memory);
  EXPECT_EQ(account.used_bytes(), 4 * page);
}

TEST(KeptBuffers, WhatOneHugePassTookDoesNotStay) {
  MemoryAccount account(1000 * page);
  KeptBuffers buffers(account);
  use(buffers, 900 * page);
  for (std::uint64_t i = 0; i < KeptBuffers::most_takes; ++i) use(buffers, 2 * page);
  EXPECT_EQ(account.used_bytes(), 2 * page);

  // Nor do those of many passes at once.
  std::vector<HugeBuffer> at_once;
  for (int i = 0; i < 3; ++i) at_once.push_back(buffers.take(2 * page).value());
  for (HugeBuffer& buffer : at_once) buffers.give_back(std::move(buffer));
  EXPECT_EQ(account.used_bytes(), 6 * page);
  for (std::uint64_t i = 0; i < KeptBuffers::most_takes; ++i) use(buffers, 2 * page);
  EXPECT_EQ(account.used_bytes(), 2 * page);
}

TEST(KeptBuffers, GoWithTheirMemoryAndAreAskedNoMore) {
  MemoryAccount account(10 * page);
  std::vector<std::optional<KeptBuffers>> keepers(3);
  for (auto& keeper : keepers) use(keeper.emplace(account), 2 * page);
  // From the middle, the front and the end of the account's list.
  for (const std::size_t gone : {1U, 2U, 0U}) {
    keepers[gone].reset();
    EXPECT_TRUE(HugeBuffer::allocate(10 * page, account));
    EXPECT_EQ(account.used_bytes(), 0U);
    for (auto& keeper : keepers) {
      if (keeper) use(*keeper, 2 * page);
    }
  }
}

TEST(KeptBuffers, MayBeAskedForTheirMemoryWhileTheyAreUsedMadeAndDestroyed) {
  MemoryAccount account(12 * page);
  KeptBuffers shared(account);
  std::atomic<int> passes{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto buffer = shared.take(page + static_cast<std::uint64_t>(i % 3) * page);
        if (!buffer) continue;
        buffer->data()[0] = 1;
        shared.give_back(std::move(*buffer));
        ++passes;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 500; ++i) {
      KeptBuffers own(account);
      auto buffer = own.take(page);
      if (buffer) own.give_back(std::move(*buffer));
    }
  });
  for (int i = 0; i < 500; ++i) (void)HugeBuffer::allocate(9 * page, account);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(passes, 0);
  EXPECT_TRUE(HugeBuffer::allocate(12 * page, account));
  EXPECT_EQ(account.used_bytes(), 0U);
}

}  // namespace
}  // namespace gyre::cpu
