// The wire form, hostile bytes, and whether a key fits a table.
#include "core/dpf/key.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/unit/dpf/random_keys.hpp"

namespace gyre::dpf {
namespace {

using Bytes = std::vector<std::byte>;

Bytes wire_of(unsigned levels) {
  SeededRandom random(levels);
  return serialize(random_key(levels, random));
}

TEST(DpfKey, WireFormIsTheDocumentedOne) {
  const Key key{
      .party = 1,
      .seed = {.low = 0x0706050403020100, .high = 0x0f0e0d0c0b0a0908},
      .levels = {{.seed = {.low = 0x1716151413121110, .high = 0x1f1e1d1c1b1a1918}, .control = 2}},
      .value_correction = {.low = 0x2726252423222120, .high = 0x2f2e2d2c2b2a2928}};
  EXPECT_EQ(to_hex(serialize(key)),
            "47594b31"
            "01"
            "01"
            "0000"
            "000102030405060708090a0b0c0d0e0f"
            "101112131415161718191a1b1c1d1e1f"
            "02"
            "202122232425262728292a2b2c2d2e2f");
}

RC_GTEST_PROP(DpfKey, SurvivesTheWire, ()) {
  const auto levels = *anywhere_in(0U, max_levels + 1);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Key key = random_key(levels, random);
  Bytes wire = serialize(key);
  RC_ASSERT(wire.size() == wire_bytes(levels));
  const auto parsed = parse(wire);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == key);

  // With other bytes behind it, the front is found and its length told.
  const auto behind = *anywhere_in<std::size_t>(1, 100);
  wire.resize(wire.size() + behind, std::byte{0xAB});
  const auto front = parse_front(wire);
  RC_ASSERT(front.has_value());
  RC_ASSERT(front->key == key);
  RC_ASSERT(front->wire_bytes == wire_bytes(levels));
  RC_ASSERT(code_of(parse(wire)) == ErrorCode::malformed_request);
}

TEST(DpfKey, EveryTruncationIsMalformed) {
  for (const unsigned levels : {0U, 1U, 7U, max_levels}) {
    const Bytes wire = wire_of(levels);
    for (std::size_t length = 0; length < wire.size(); ++length) {
      // A buffer of its own, so that a sanitizer sees a read past its end.
      const Bytes shorter(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(length));
      ASSERT_EQ(code_of(parse_front(shorter)), ErrorCode::malformed_request)
          << levels << " " << length;
      ASSERT_EQ(code_of(parse(shorter)), ErrorCode::malformed_request) << levels << " " << length;
    }
  }
}

struct Spoiling {
  const char* what;
  std::function<void(Bytes&)> spoil;
};

TEST(DpfKey, EveryDeviationIsMalformed) {
  constexpr std::size_t first_level = 24;
  const std::vector<Spoiling> spoilings = {
      {"magic", [](Bytes& wire) { wire[3] = std::byte{'2'}; }},
      {"no magic", [](Bytes& wire) { wire[0] = std::byte{0}; }},
      {"party 2", [](Bytes& wire) { wire[4] = std::byte{2}; }},
      {"party 255", [](Bytes& wire) { wire[4] = std::byte{255}; }},
      {"49 levels",
       [](Bytes& wire) {
         wire[5] = std::byte{49};
         wire.resize(wire_bytes(49));
       }},
      {"255 levels",
       [](Bytes& wire) {
         wire[5] = std::byte{255};
         wire.resize(wire_bytes(255));
       }},
      {"a level too many for the bytes", [](Bytes& wire) { wire[5] = std::byte{6}; }},
      {"reserved low", [](Bytes& wire) { wire[6] = std::byte{1}; }},
      {"reserved high", [](Bytes& wire) { wire[7] = std::byte{0x80}; }},
      {"lowest bit of the first correction seed",
       [](Bytes& wire) { wire[first_level] |= std::byte{1}; }},
      {"lowest bit of the last correction seed",
       [](Bytes& wire) { wire[first_level + 4 * 17] |= std::byte{1}; }},
      {"third control bit", [](Bytes& wire) { wire[first_level + 16] |= std::byte{4}; }},
      {"eighth control bit of the last level",
       [](Bytes& wire) { wire[first_level + 4 * 17 + 16] |= std::byte{0x80}; }},
  };
  for (const Spoiling& spoiling : spoilings) {
    Bytes wire = wire_of(5);
    ASSERT_TRUE(parse_front(wire));
    spoiling.spoil(wire);
    const auto parsed = parse_front(wire);
    EXPECT_EQ(code_of(parsed), ErrorCode::malformed_request) << spoiling.what;
  }
}

TEST(DpfKey, LevelsCoverTheRecords) {
  struct Case {
    std::uint64_t records;
    unsigned levels;
    std::uint64_t leaves;
  };
  constexpr std::uint64_t one = 1;
  for (const auto& [records, levels, leaves] : {
           Case{1, 0, 1},
           Case{127, 0, 1},
           Case{128, 0, 1},
           Case{129, 1, 2},
           Case{256, 1, 2},
           Case{257, 2, 3},
           Case{512, 2, 4},
           Case{513, 3, 5},
           Case{one << 25U, 18, one << 18U},
           Case{(one << 25U) - 127, 18, one << 18U},
           Case{(one << 25U) + 1, 19, (one << 18U) + 1},
           Case{(one << 55U), 48, one << 48U},
           Case{(one << 55U) + 1, 49, (one << 48U) + 1},
           Case{~std::uint64_t{0}, 57, one << 57U},
       }) {
    EXPECT_EQ(levels_for(records), levels) << records;
    EXPECT_EQ(leaves_for(records), leaves) << records;
  }
}

TEST(DpfKey, FitsATableOrIsRefused) {
  SeededRandom random(1);
  Key key = random_key(3, random);
  key.party = 1;
  EXPECT_TRUE(check(key, 1, 1));
  EXPECT_TRUE(check(key, 1, 8 * 128));
  EXPECT_EQ(code_of(check(key, 1, 8 * 128 + 1)), ErrorCode::key_domain_mismatch);
  EXPECT_EQ(code_of(check(key, 0, 8 * 128)), ErrorCode::wrong_party);
  // The party is told first: a client that mixed up its servers should learn just that.
  EXPECT_EQ(code_of(check(key, 0, 8 * 128 + 1)), ErrorCode::wrong_party);

  Key deep = random_key(max_levels, random);
  EXPECT_TRUE(check(deep, deep.party, std::uint64_t{1} << 55U));
  EXPECT_EQ(code_of(check(deep, deep.party, (std::uint64_t{1} << 55U) + 1)),
            ErrorCode::key_domain_mismatch);
  deep.levels.emplace_back();
  EXPECT_EQ(code_of(check(deep, deep.party, 1)), ErrorCode::key_domain_mismatch);
}

}  // namespace
}  // namespace gyre::dpf
