// Snapshots built on disk while faults happen: all files of one or none, and what is there is
// right.
#pragma once

#include "tests/faults/test_snapshots.hpp"
#include "tests/faults/world.hpp"

namespace gyre::faults {

// Builds a snapshot without keys from base 1's rows, and rotates to what was built. `must`: no
// fault is armed, so that a failure is a finding.
void build_rows(World& world, const TestSnapshots& snapshots, bool must);

// Builds a keyed table with its builder file, and verifies it.
void build_keyed_table(World& world, const TestSnapshots& snapshots, bool must);

}  // namespace gyre::faults
