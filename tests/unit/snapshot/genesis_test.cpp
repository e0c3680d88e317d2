// The real data that comes with the project is what it says it is.
#include <gtest/gtest.h>

#include <set>

#include "harness/snapshot/record_reader.hpp"
#include "harness/table/account.hpp"

namespace gyre::snapshot {
namespace {

TEST(EthereumMainnetGenesis, Has8893AccountsWith72009990Ether) {
  auto file = File::open(GYRE_GENESIS, "the genesis file");
  ASSERT_TRUE(file) << file.error().message;
  RecordReader reader(std::move(*file), {.value = ValueKind::ethereum_account});
  table::Uint128 sum = 0;
  std::set<std::vector<std::byte>> addresses;
  Record record;
  for (;;) {
    const auto more = reader.next(record);
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) break;
    const auto account = table::decode_account(table::ConstEthereumAccountValue(record.value));
    sum += account.balance;
    addresses.insert(record.key);
  }
  EXPECT_TRUE(reader.skipped_header());
  EXPECT_EQ(addresses.size(), 8'893U);
  EXPECT_EQ(table::to_ether(sum), "72009990.49948 ETH");
}

}  // namespace
}  // namespace gyre::snapshot
