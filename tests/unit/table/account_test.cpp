#include "harness/table/account.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <array>

#include "core/bytes.hpp"

namespace gyre::table {
namespace {

constexpr Uint128 ether = 1'000'000'000'000'000'000U;

TEST(EthereumAccount, IsEncodedAsDocumented) {
  const EthereumAccount account{(Uint128{0x0102030405060708U} << 64U) | 0x090a0b0c0d0e0f10U,
                                0x1112131415161718U, 0x191a1b1cU};
  std::array<std::byte, ethereum_account_value_bytes> value{};
  encode_account(account, value);
  EXPECT_EQ(to_hex(value),
            "100f0e0d0c0b0a090807060504030201"
            "1817161514131211"
            "1c1b1a19");
}

RC_GTEST_PROP(EthereumAccount, IsDecodedAsTheSame,
              (std::uint64_t high, std::uint64_t low, std::uint64_t nonce, std::uint32_t code_id)) {
  const EthereumAccount account{Uint128{high} << 64U | low, nonce, code_id};
  std::array<std::byte, ethereum_account_value_bytes> value{};
  encode_account(account, value);
  RC_ASSERT(decode_account(value) == account);
}

TEST(ToEther, IsExactWithoutTrailingZeros) {
  EXPECT_EQ(to_ether(0), "0 ETH");
  EXPECT_EQ(to_ether(1), "0.000000000000000001 ETH");
  EXPECT_EQ(to_ether(ether / 10), "0.1 ETH");
  EXPECT_EQ(to_ether(ether - 1), "0.999999999999999999 ETH");
  EXPECT_EQ(to_ether(ether), "1 ETH");
  EXPECT_EQ(to_ether(200 * ether), "200 ETH");
  EXPECT_EQ(to_ether(200 * ether + 50'000'000'000'000'000U), "200.05 ETH");
  EXPECT_EQ(to_ether(~Uint128{0}), "340282366920938463463.374607431768211455 ETH");
}

}  // namespace
}  // namespace gyre::table
