#include "harness/table/account.hpp"

#include "core/bytes.hpp"

namespace gyre::table {
namespace {

constexpr std::size_t ether_decimals = 18;

}  // namespace

void encode_account(const EthereumAccount& account, EthereumAccountValue out) noexcept {
  store_little_endian(out.data(), static_cast<std::uint64_t>(account.balance));
  store_little_endian(out.data() + 8, static_cast<std::uint64_t>(account.balance >> 64U));
  store_little_endian(out.data() + 16, account.nonce);
  store_little_endian(out.data() + 24, account.code_id);
}

EthereumAccount decode_account(ConstEthereumAccountValue value) noexcept {
  EthereumAccount account;
  account.balance = Uint128{load_little_endian<std::uint64_t>(value.data() + 8)} << 64U |
                    load_little_endian<std::uint64_t>(value.data());
  account.nonce = load_little_endian<std::uint64_t>(value.data() + 16);
  account.code_id = load_little_endian<std::uint32_t>(value.data() + 24);
  return account;
}

std::string to_ether(Uint128 wei) {
  std::string digits = to_decimal(wei);
  if (digits.size() <= ether_decimals) {
    digits.insert(0, ether_decimals + 1 - digits.size(), '0');
  }
  std::string fraction = digits.substr(digits.size() - ether_decimals);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  digits.resize(digits.size() - ether_decimals);
  if (!fraction.empty()) digits += "." + fraction;
  return digits + " ETH";
}

}  // namespace gyre::table
