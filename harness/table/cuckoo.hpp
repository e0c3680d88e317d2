// Placing keys in a cuckoo table with three candidates each (Fotakis, Pagh, Sanders, Spirakis:
// "Space efficient hash tables with worst case constant access time", 2005).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace gyre::table {

using CandidateRows = std::array<std::uint32_t, 3>;

// Called now and then with the number of keys placed; false asks for an end.
using PlacementProgress = std::function<bool(std::uint64_t)>;

// Gives every key one of its candidates such that no two share a row: rows[i] is key i's. Nothing
// if it did not find such a placement (or was asked to end). Keys go where there is room, or throw
// out the key there, which goes to another of its candidates, and so on at random; the result
// depends on the arguments alone. Memory: 8 bytes a row besides the arguments. REQUIRES: candidates
// less than row_count, fewer than 2^32 - 1 keys.
[[nodiscard]] std::optional<std::vector<std::uint32_t>> place_keys(
    std::span<const CandidateRows> keys, std::uint32_t row_count, std::uint64_t random_seed,
    const PlacementProgress& progress);

}  // namespace gyre::table
