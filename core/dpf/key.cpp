#include "core/dpf/key.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <string>
#include <utility>

#include "core/bytes.hpp"

namespace gyre::dpf {
namespace {

constexpr std::array<std::byte, 4> magic = {std::byte{'G'}, std::byte{'Y'}, std::byte{'K'},
                                            std::byte{'1'}};
constexpr std::size_t header_bytes = 8;
constexpr std::size_t block_bytes = sizeof(Block);

void append(std::vector<std::byte>& out, const Block& block) {
  append_little_endian(out, block.low);
  append_little_endian(out, block.high);
}

Block load_block(const std::byte* bytes) noexcept {
  return {.low = load_little_endian<std::uint64_t>(bytes),
          .high = load_little_endian<std::uint64_t>(bytes + 8)};
}

tl::unexpected<Error> malformed(const char* message) {
  return fail(ErrorCode::malformed_request, message);
}

// REQUIRES: wire_bytes(levels) bytes with a good header.
Result<Key> parse_body(std::span<const std::byte> bytes, std::uint8_t party, unsigned levels) {
  Key key;
  key.party = party;
  key.levels.reserve(levels);
  const std::byte* at = bytes.data() + header_bytes;
  key.seed = load_block(at);
  at += block_bytes;
  for (unsigned level = 0; level < levels; ++level) {
    LevelCorrection correction;
    correction.seed = load_block(at);
    correction.control = std::to_integer<std::uint8_t>(at[block_bytes]);
    at += block_bytes + 1;
    if ((correction.seed.low & 1U) != 0) {
      return malformed("the lowest bit of a key's correction seeds must be 0");
    }
    if (correction.control > 3) {
      return malformed("of a key's control corrections only the lowest two bits may be set");
    }
    key.levels.push_back(correction);
  }
  key.value_correction = load_block(at);
  return key;
}

}  // namespace

std::uint64_t leaves_for(std::uint64_t records) noexcept {
  return divide_rounding_up(records, bits_per_leaf);
}

unsigned levels_for(std::uint64_t records) noexcept {
  return static_cast<unsigned>(std::bit_width(leaves_for(records) - 1));
}

std::vector<std::byte> serialize(const Key& key) {
  std::vector<std::byte> out;
  out.reserve(wire_bytes(static_cast<unsigned>(key.levels.size())));
  out.assign(magic.begin(), magic.end());
  append_little_endian(out, key.party);
  append_little_endian(out, static_cast<std::uint8_t>(key.levels.size()));
  append_little_endian(out, std::uint16_t{0});
  append(out, key.seed);
  for (const LevelCorrection& level : key.levels) {
    append(out, level.seed);
    append_little_endian(out, level.control);
  }
  append(out, key.value_correction);
  return out;
}

Result<ParsedKey> parse_front(std::span<const std::byte> bytes) {
  if (bytes.size() < header_bytes) return malformed("a key ends within its header");
  if (!std::equal(magic.begin(), magic.end(), bytes.begin())) {
    return malformed("a key must begin with GYK1");
  }
  const auto party = load_little_endian<std::uint8_t>(bytes.data() + 4);
  const unsigned levels = load_little_endian<std::uint8_t>(bytes.data() + 5);
  if (party > 1) return malformed("a key's party must be 0 or 1");
  if (levels > max_levels) {
    return malformed("a key has more levels than the 48 that are allowed");
  }
  if (load_little_endian<std::uint16_t>(bytes.data() + 6) != 0) {
    return malformed("the reserved bytes of a key must be 0");
  }
  const std::size_t size = wire_bytes(levels);
  if (bytes.size() < size) return malformed("a key ends before its last level");
  try {
    Result<Key> key = parse_body(bytes.first(size), party, levels);
    if (!key) return forward_error(key);
    return ParsedKey{std::move(*key), size};
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a key");
  }
}

Result<Key> parse(std::span<const std::byte> bytes) {
  Result<ParsedKey> parsed = parse_front(bytes);
  if (!parsed) return forward_error(parsed);
  if (parsed->wire_bytes != bytes.size()) return malformed("bytes follow a key's end");
  return std::move(parsed->key);
}

Result<void> check(const Key& key, std::uint8_t party, std::uint64_t records) {
  if (key.party != party) {
    return fail(ErrorCode::wrong_party, "the key is for the other server of the pair");
  }
  const unsigned needed = levels_for(records);
  if (key.levels.size() < needed || key.levels.size() > max_levels) {
    return fail(ErrorCode::key_domain_mismatch, "a key for this table must have from " +
                                                    std::to_string(needed) + " to " +
                                                    std::to_string(max_levels) + " levels");
  }
  return {};
}

}  // namespace gyre::dpf
