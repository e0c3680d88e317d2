#include "core/overlay.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "tests/support/generators.hpp"

namespace gyre {
namespace {

constexpr Geometry geometry{64, 4, 8};

OverlayBatch batch_of(std::uint64_t seq,
                      const std::map<std::uint64_t, std::array<std::byte, 4>>& rows) {
  OverlayBatch batch{seq, {}, {}};
  for (const auto& [row, difference] : rows) {
    batch.rows.push_back(row);
    batch.differences.insert(batch.differences.end(), difference.begin(), difference.end());
  }
  return batch;
}

RC_GTEST_PROP(Overlay, EveryPrefixKeepsWhatItWas, ()) {
  using Rows = std::map<std::uint64_t, std::array<std::byte, 4>>;
  // Pairs first: as many different rows as a large case wants could not always be found.
  const auto drawn =
      *rc::gen::container<std::vector<std::vector<std::pair<std::uint8_t, std::uint32_t>>>>(
          rc::gen::nonEmpty(
              rc::gen::container<std::vector<std::pair<std::uint8_t, std::uint32_t>>>(rc::gen::pair(
                  anywhere_in<std::uint8_t>(0, 64), rc::gen::arbitrary<std::uint32_t>()))));
  std::vector<std::map<std::uint8_t, std::uint32_t>> batches;
  for (const auto& pairs : drawn) batches.emplace_back(pairs.begin(), pairs.end());
  std::vector<Overlay> prefixes{Overlay{}};
  std::vector<std::array<std::uint32_t, 64>> expected{{}};
  for (std::size_t i = 0; i < batches.size(); ++i) {
    Rows rows;
    auto content = expected.back();
    for (const auto& [row, difference] : batches[i]) {
      std::memcpy(rows[row].data(), &difference, 4);
      content[row] ^= difference;
    }
    auto longer = prefixes.back().append(geometry, batch_of(i + 1, rows));
    RC_ASSERT(longer.has_value());
    prefixes.push_back(*longer);
    expected.push_back(content);
  }
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    RC_ASSERT(prefixes[i].batches() == i);
    for (std::uint64_t row = 0; row < geometry.rows; ++row) {
      std::array<std::byte, 4> bytes{};
      prefixes[i].apply_to_row(row, bytes);
      std::uint32_t value = 0;
      std::memcpy(&value, bytes.data(), 4);
      RC_ASSERT(value == expected[i][row]);
    }
  }
}

TEST(Overlay, RefusesBatchesThatDoNotFit) {
  const Overlay overlay;
  const auto code_of = [&](OverlayBatch batch) {
    const auto longer = overlay.append(geometry, std::move(batch));
    return longer ? ErrorCode::internal : longer.error().code;
  };
  const std::vector<std::byte> one(4);
  const std::vector<std::byte> two(8);
  EXPECT_EQ(code_of({1, {}, {}}), ErrorCode::malformed_request);
  EXPECT_EQ(code_of({1, {0}, two}), ErrorCode::malformed_request);
  EXPECT_EQ(code_of({1, {64}, one}), ErrorCode::malformed_request);
  EXPECT_EQ(code_of({1, {3, 3}, two}), ErrorCode::malformed_request);
  EXPECT_EQ(code_of({1, {4, 3}, two}), ErrorCode::malformed_request);
}

TEST(Overlay, AMillionBatchesEndWithoutDeepRecursion) {
  Overlay overlay;
  for (std::uint64_t seq = 1; seq <= 1'000'000; ++seq) {
    auto longer = overlay.append(geometry, {seq, {seq % 64}, std::vector<std::byte>(4)});
    ASSERT_TRUE(longer);
    overlay = std::move(*longer);
  }
  EXPECT_EQ(overlay.rows(), 1'000'000U);
  overlay = Overlay{};  // a recursive destructor would exhaust the stack here
  EXPECT_TRUE(overlay.empty());
}

}  // namespace
}  // namespace gyre
