// Making a pair of keys. The client's side; no server calls this.
#pragma once

#include <array>
#include <cstdint>

#include "core/dpf/key.hpp"
#include "core/random_source.hpp"

namespace gyre::dpf {

// Keys for party 0 and party 1 that select record `index` among the 128 * 2^levels records of a
// tree of that depth. Servers of a table are sent keys of exactly levels_for(records) levels: a
// depth of one's own is a fingerprint. The work does not depend on the index: no branch or address
// does. Errors: key_domain_mismatch (levels above max_levels, index outside the tree), or the
// source's.
[[nodiscard]] Result<std::array<Key, 2>> generate(unsigned levels, std::uint64_t index,
                                                  RandomSource& random);

}  // namespace gyre::dpf
