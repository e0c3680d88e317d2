#include "core/epoch_id.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/bytes.hpp"

namespace gyre {
namespace {

constexpr std::size_t hex_digits = 16;

// One content, one name: upper-case digits and leading zeros would be a second spelling.
bool parse_hex(std::string_view text, Bytes8& out) noexcept {
  const bool lower_case =
      std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
  return lower_case && from_hex(text, out);
}

bool parse_seq(std::string_view text, std::uint64_t& out) noexcept {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  return parsed.ec == std::errc{} && parsed.ptr == end;
}

}  // namespace

EpochId EpochId::of_base(const Bytes32& content_id, std::uint64_t as_of_seq) noexcept {
  EpochId id;
  std::copy_n(content_id.begin(), id.base.size(), id.base.begin());
  id.seq = as_of_seq;
  return id;
}

EpochId EpochId::after(std::uint64_t next_seq, std::span<const std::byte> binary_batch,
                       Sha256 sha256) const {
  const std::array<std::span<const std::byte>, 2> parts = {chain, binary_batch};
  const Bytes32 digest = sha256(parts);
  EpochId id;
  id.base = base;
  id.seq = next_seq;
  std::copy_n(digest.begin(), id.chain.size(), id.chain.begin());
  return id;
}

std::string EpochId::text() const {
  return to_hex(base) + "-" + std::to_string(seq) + "-" + to_hex(chain);
}

Result<EpochId> EpochId::parse(std::string_view text) {
  EpochId id;
  const bool long_enough = text.size() >= hex_digits + 3 + hex_digits;
  if (!long_enough || text.size() > max_text_bytes || text[hex_digits] != '-' ||
      text[text.size() - hex_digits - 1] != '-' ||
      !parse_hex(text.substr(0, hex_digits), id.base) ||
      !parse_seq(text.substr(hex_digits + 1, text.size() - 2 * hex_digits - 2), id.seq) ||
      !parse_hex(text.substr(text.size() - hex_digits), id.chain)) {
    return fail(
        ErrorCode::malformed_request,
        "an epoch id must be 16 hex digits, a decimal number and 16 hex digits, lower case, "
        "joined by hyphens");
  }
  return id;
}

}  // namespace gyre
