#include "harness/table/keyed_row.hpp"

#include <algorithm>

#include "core/bytes.hpp"
#include "harness/crypto/siphash.hpp"

namespace gyre::table {
namespace {

constexpr std::size_t address_bytes = 20;

}  // namespace

Candidates candidates(const Cuckoo3Layout& layout, std::uint64_t rows,
                      std::span<const std::byte> key) noexcept {
  Candidates found{};
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i] = crypto::siphash_2_4(layout.seeds[i], key) % rows;
  }
  return found;
}

std::uint64_t tag(const Cuckoo3Layout& layout, std::span<const std::byte> key) noexcept {
  return std::max<std::uint64_t>(crypto::siphash_2_4(layout.tag_key, key), 1);
}

Result<std::vector<std::byte>> parse_key(ValueKind kind, std::string_view text) {
  if (kind == ValueKind::ethereum_account) {
    std::vector<std::byte> address(address_bytes);
    if (!text.starts_with("0x") || !from_hex(text.substr(2), address)) {
      return fail(ErrorCode::malformed_input, "an address must be 0x and 40 hex digits");
    }
    return address;
  }
  if (text.empty() || text.size() > max_key_bytes) {
    return fail(ErrorCode::malformed_input,
                "a key must have from 1 to " + std::to_string(max_key_bytes) + " bytes");
  }
  const std::span<const std::byte> bytes = as_bytes(text);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

void encode_row(std::uint64_t tag, std::span<const std::byte> value,
                std::span<std::byte> row) noexcept {
  store_little_endian(row.data(), tag);
  const auto end = std::copy(value.begin(), value.end(), row.begin() + tag_bytes);
  std::fill(end, row.end(), std::byte{0});
}

std::uint64_t row_tag(std::span<const std::byte> row) noexcept {
  return load_little_endian<std::uint64_t>(row.data());
}

std::span<const std::byte> row_value(const Cuckoo3Layout& layout,
                                     std::span<const std::byte> row) noexcept {
  return row.subspan(tag_bytes, layout.value_bytes);
}

}  // namespace gyre::table
