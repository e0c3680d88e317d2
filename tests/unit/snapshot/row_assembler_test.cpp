#include "harness/snapshot/row_assembler.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <numeric>
#include <random>

#include "tests/support/generators.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::snapshot {
namespace {

// Windows of every size from one row up, most of them many.
RC_GTEST_PROP(RowAssembler, PutsRowsInOrderWithZerosBetween, ()) {
  const TestDirectory directory;
  const Geometry geometry{*anywhere_in<std::uint64_t>(1, 3000), 12, 1};
  std::mt19937_64 random(*rc::gen::arbitrary<std::uint64_t>());
  std::vector<std::uint32_t> numbers(static_cast<std::size_t>(geometry.rows));
  std::iota(numbers.begin(), numbers.end(), 0U);
  std::shuffle(numbers.begin(), numbers.end(), random);
  numbers.resize(*anywhere_in<std::size_t>(0, numbers.size() + 1));

  std::vector<std::byte> expected(static_cast<std::size_t>(geometry.bytes()));
  auto assembler = RowAssembler::create(geometry, numbers, directory.path(),
                                        *anywhere_in<std::uint64_t>(1, 40'000));
  RC_ASSERT(assembler.has_value());
  for (const std::uint32_t number : numbers) {
    const auto row = std::span(expected).subspan(number * std::size_t{12}, 12);
    for (std::byte& byte : row) byte = static_cast<std::byte>(random());
    RC_ASSERT(assembler->add(number, row).has_value());
  }
  std::vector<std::byte> assembled;
  RC_ASSERT(assembler
                ->finish([&](std::span<const std::byte> rows) -> Result<void> {
                  assembled.insert(assembled.end(), rows.begin(), rows.end());
                  return {};
                })
                .has_value());
  RC_ASSERT(assembled == expected);
  RC_ASSERT(directory.files().empty());
}

}  // namespace
}  // namespace gyre::snapshot
