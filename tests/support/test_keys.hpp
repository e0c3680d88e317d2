// Keys and requests for tests of what carries and answers them.
#pragma once

#include <rapidcheck.h>

#include <array>
#include <stdexcept>

#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {

// A pair of keys for one record among at least `records`.
inline std::array<dpf::Key, 2> make_keys(std::uint64_t records, std::uint64_t index,
                                         RandomSource& random) {
  auto keys = dpf::generate(dpf::levels_for(records), index, random);
  if (!keys) throw std::logic_error("the test asks for a key that cannot be");
  return *keys;
}

// Any key that has a wire form.
inline rc::Gen<dpf::Key> any_key() {
  return rc::gen::exec([] {
    const auto levels = *anywhere_in<unsigned>(0, dpf::max_levels + 1);
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    dpf::Key key;
    key.party = static_cast<std::uint8_t>(random.word() & 1U);
    key.seed = {random.word(), random.word()};
    for (unsigned i = 0; i < levels; ++i) {
      key.levels.push_back({{random.word() & ~std::uint64_t{1}, random.word()},
                            static_cast<std::uint8_t>(random.word() & 3U)});
    }
    key.value_correction = {random.word(), random.word()};
    return key;
  });
}

}  // namespace gyre
