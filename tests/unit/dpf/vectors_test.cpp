// Keys and expansions of an independent implementation, for every kernel this processor runs.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/dpf/expand.hpp"
#include "core/dpf/key.hpp"
#include "tests/unit/dpf/runnable_kernels.hpp"

namespace gyre::dpf {
namespace {

using Json = nlohmann::json;

// 32 hex digits, the high half first.
Block block_of(const std::string& hex) {
  std::array<std::byte, 16> bytes{};
  EXPECT_TRUE(from_hex(hex, bytes));
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    high = high << 8U | std::to_integer<std::uint64_t>(bytes[i]);
    low = low << 8U | std::to_integer<std::uint64_t>(bytes[i + 8]);
  }
  return {.low = low, .high = high};
}

Key key_of(const Json& json) {
  Key key;
  key.party = json.at("party").get<std::uint8_t>();
  key.seed = block_of(json.at("seed"));
  for (const Json& level : json.at("levels")) {
    const unsigned control = level.at("left").get<unsigned>() | level.at("right").get<unsigned>()
                                                                    << 1U;
    key.levels.push_back(
        {.seed = block_of(level.at("seed")), .control = static_cast<std::uint8_t>(control)});
  }
  key.value_correction = block_of(json.at("value_correction"));
  return key;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return to_hex(std::as_bytes(std::span(digest)));
}

bool is_unit_vector(std::span<const Block> a, std::span<const Block> b, std::uint64_t index) {
  for (std::size_t leaf = 0; leaf < a.size(); ++leaf) {
    Block expected;
    if (leaf == index / 128) {
      (index % 128 < 64 ? expected.low : expected.high) = std::uint64_t{1} << (index % 64);
    }
    if ((a[leaf] ^ b[leaf]) != expected) return false;
  }
  return true;
}

Json load_cases() {
  std::ifstream file(GYRE_TEST_VECTORS "/dpf.json");
  return Json::parse(file).at("cases");
}

TEST(DpfVectors, EveryKernelExpandsEveryCase) {
  const Json cases = load_cases();
  ASSERT_EQ(cases.size(), 16U);
  for (const ExpansionKernel* kernel : runnable_kernels()) {
    for (const Json& test_case : cases) {
      const auto records = test_case.at("records").get<std::uint64_t>();
      SCOPED_TRACE(std::string(kernel->name) + ", records " + std::to_string(records) +
                   ", surplus levels " + test_case.at("surplus_levels").dump());
      std::array<std::vector<Block>, 2> selections;
      for (const Json& party : test_case.at("parties")) {
        const Key key = key_of(party.at("key"));
        ASSERT_EQ(key.levels.size(),
                  levels_for(records) + test_case.at("surplus_levels").get<unsigned>());
        ASSERT_TRUE(check(key, key.party, records));
        std::vector<Block>& selection = selections.at(key.party);
        selection.resize(leaves_for(records));
        expand(*kernel, key, 0, selection);
        const auto bytes = std::as_bytes(std::span(selection));
        if (party.contains("selection")) {
          EXPECT_EQ(to_hex(bytes), party.at("selection").get<std::string>());
        }
        EXPECT_EQ(sha256_hex(bytes), party.at("selection_sha256").get<std::string>());
      }
      EXPECT_TRUE(
          is_unit_vector(selections[0], selections[1], test_case.at("index").get<std::uint64_t>()));
    }
  }
}

}  // namespace
}  // namespace gyre::dpf
