#include "core/dpf/generate.hpp"

#include <string.h>

#include <array>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "core/dpf/expansion_kernel.hpp"

namespace gyre::dpf {
namespace {

// Below, a "bit" is 0 or 1 in a whole word, so that secrets are selected by arithmetic and never by
// a branch.
using Bit = std::uint64_t;

Block if_set(Bit bit, const Block& block) noexcept {
  const std::uint64_t mask = std::uint64_t{0} - bit;
  return block & Block{.low = mask, .high = mask};
}
Block choose(Bit bit, const Block& if_zero, const Block& if_one) noexcept {
  return if_zero ^ if_set(bit, if_zero ^ if_one);
}
Bit lowest_bit(const Block& block) noexcept {
  return block.low & 1U;
}
Block clear_lowest_bit(const Block& block) noexcept {
  return {.low = block.low & ~std::uint64_t{1}, .high = block.high};
}

// 1 << position. REQUIRES: position < 128.
Block unit(std::uint64_t position) noexcept {
  const std::uint64_t in_half = std::uint64_t{1} << (position & 63U);
  const std::uint64_t high = std::uint64_t{0} - (position >> 6U);
  return {.low = in_half & ~high, .high = in_half & high};
}

// One node of each party: the two on the path to the index, or the two beside it.
struct NodePair {
  std::array<Block, 2> seeds;
  std::array<Bit, 2> controls;
};

// Overwrites secrets when a scope ends, whichever way: whoever holds both parties' seeds of one
// node learns the index, and the stack outlives the call.
template <typename Secret>
class Wiped {
 public:
  explicit Wiped(Secret& secret) noexcept : secret_(secret) {}
  ~Wiped() { ::explicit_bzero(&secret_, sizeof secret_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  Secret& secret_;
};

// Both parties' children on one side, control bits taken out of the seeds.
NodePair children(const ExpansionKernel& kernel, FixedKey side, const NodePair& parents) noexcept {
  NodePair pair;
  std::array<Block, 2> hashes;
  const Wiped wiped_hashes(hashes);
  kernel.hash(side, parents.seeds.data(), hashes.data(), hashes.size());
  for (std::size_t party = 0; party < 2; ++party) {
    pair.seeds[party] = clear_lowest_bit(hashes[party]);
    pair.controls[party] = lowest_bit(hashes[party]);
  }
  return pair;
}

// Goes one level down the path, to the right if `side` is set, and returns what both keys need for
// it: the correction makes the parties' nodes beside the path equal, and their control bits on it
// different.
LevelCorrection step(const ExpansionKernel& kernel, Bit side, NodePair& path) noexcept {
  NodePair left = children(kernel, FixedKey::left, path);
  NodePair right = children(kernel, FixedKey::right, path);
  const Wiped wiped_left(left);
  const Wiped wiped_right(right);

  const Block seed_correction =
      choose(side, right.seeds[0] ^ right.seeds[1], left.seeds[0] ^ left.seeds[1]);
  const Bit left_correction = left.controls[0] ^ left.controls[1] ^ side ^ 1U;
  const Bit right_correction = right.controls[0] ^ right.controls[1] ^ side;
  const Bit kept_correction = left_correction ^ ((left_correction ^ right_correction) & side);

  for (std::size_t party = 0; party < 2; ++party) {
    const Bit control = path.controls[party];
    path.seeds[party] =
        choose(side, left.seeds[party], right.seeds[party]) ^ if_set(control, seed_correction);
    path.controls[party] = left.controls[party] ^
                           ((left.controls[party] ^ right.controls[party]) & side) ^
                           (control & kept_correction);
  }
  return {.seed = seed_correction,
          .control = static_cast<std::uint8_t>(left_correction | (right_correction << 1U))};
}

// Overwrites what callees left below the caller's frame: registers that a kernel or the dynamic
// linker put there. Of its own frame, so that it lies over theirs.
[[gnu::noinline]] void wipe_stack_below() noexcept {
  std::array<std::byte, std::size_t{16} * 1024> deepest;
  ::explicit_bzero(deepest.data(), deepest.size());
}

[[gnu::noinline]] Result<std::array<Key, 2>> generate_pair(unsigned levels, std::uint64_t index,
                                                           RandomSource& random) {
  if (levels > max_levels) {
    return fail(ErrorCode::key_domain_mismatch, "a key has at most 48 levels");
  }
  constexpr unsigned leaf_index_bits = 7;
  if ((index >> (levels + leaf_index_bits)) != 0) {
    return fail(ErrorCode::key_domain_mismatch, "the index lies outside the key's tree");
  }

  NodePair path{.seeds = {}, .controls = {0, 1}};
  const Wiped wiped_path(path);
  if (Result<void> filled = random.fill(std::as_writable_bytes(std::span(path.seeds))); !filled) {
    return forward_error(filled);
  }

  try {
    std::array<Key, 2> keys;
    // The caller gets the corrections by a move, but the seeds by a copy.
    const Wiped wiped_first(keys[0].seed);
    const Wiped wiped_second(keys[1].seed);
    for (std::uint8_t party = 0; party < 2; ++party) {
      keys[party].party = party;
      keys[party].seed = path.seeds[party];
      keys[party].levels.reserve(levels);
    }
    const ExpansionKernel& kernel = best_expansion_kernel();
    for (unsigned level = 0; level < levels; ++level) {
      const Bit side = (index >> (leaf_index_bits + levels - 1 - level)) & 1U;
      const LevelCorrection correction = step(kernel, side, path);
      for (Key& key : keys) key.levels.push_back(correction);
    }
    std::array<Block, 2> values;
    const Wiped wiped_values(values);
    kernel.hash(FixedKey::value, path.seeds.data(), values.data(), values.size());
    const Block value_correction = values[0] ^ values[1] ^ unit(index % bits_per_leaf);
    for (Key& key : keys) key.value_correction = value_correction;
    return keys;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a pair of keys");
  }
}

}  // namespace

Result<std::array<Key, 2>> generate(unsigned levels, std::uint64_t index, RandomSource& random) {
  Result<std::array<Key, 2>> keys = generate_pair(levels, index, random);
  wipe_stack_below();
  return keys;
}

}  // namespace gyre::dpf
