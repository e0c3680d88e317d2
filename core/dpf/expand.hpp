// From a key to selection bits.
#pragma once

#include <cstdint>
#include <span>

#include "core/dpf/expansion_kernel.hpp"
#include "core/dpf/key.hpp"

namespace gyre::dpf {

// Writes leaves first_leaf … first_leaf + leaves.size() - 1 of the key's tree: in memory order, bit
// i of leaf b selects record 128 * b + i. Bits past a table's last record are not masked.
//
// Cost: about 3 AES per leaf, plus 2 or 3 per level for each call and each 65,536 leaves. Disjoint
// ranges may be expanded by different threads at once. Allocates nothing; needs 64 KiB of stack.
// Constant-time: control flow and addresses depend on the number of levels, the party and the range
// alone, never on the key's bits.
//
// REQUIRES: a kernel this CPU runs; key.levels.size() <= max_levels; first_leaf + leaves.size() <=
// 2^key.levels.size().
void expand(const ExpansionKernel& kernel, const Key& key, std::uint64_t first_leaf,
            std::span<Block> leaves) noexcept;

}  // namespace gyre::dpf
