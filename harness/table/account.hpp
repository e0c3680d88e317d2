// Ethereum accounts as values of a keyed table.
//
// Thread-safety: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/metadata.hpp"
#include "harness/table/uint128.hpp"

namespace gyre::table {

struct EthereumAccount {
  Uint128 balance = 0;  // wei
  std::uint64_t nonce = 0;
  std::uint32_t code_id = 0;  // 0: no code

  friend bool operator==(const EthereumAccount&, const EthereumAccount&) = default;
};

using EthereumAccountValue = std::span<std::byte, ethereum_account_value_bytes>;
using ConstEthereumAccountValue = std::span<const std::byte, ethereum_account_value_bytes>;

// The value of an account's row, what follows its tag: balance 16, nonce 8, code id 4,
// little-endian.
void encode_account(const EthereumAccount& account, EthereumAccountValue out) noexcept;
[[nodiscard]] EthereumAccount decode_account(ConstEthereumAccountValue value) noexcept;

// "200 ETH", "0.000000000000000001 ETH": exact, without trailing zeros.
[[nodiscard]] std::string to_ether(Uint128 wei);

}  // namespace gyre::table
