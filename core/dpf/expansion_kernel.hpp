// The inner loops of expansion, one implementation per instruction set, chosen at run time.
//
// Thread-safety: kernels are immutable and their functions pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "core/cpu_features.hpp"
#include "core/dpf/block.hpp"
#include "core/dpf/kernel_functions.hpp"
#include "core/error.hpp"

namespace gyre::dpf {

// A node in a kernel's arrays is its seed with the control bit in the seed's lowest bit, which the
// construction clears anyway: child = H_side(seed) ^ (side's correction if the parent's control bit
// is set), where the side's correction carries the control correction in its lowest bit. (A root
// keeps all 128 bits of its seed, so its children are made with `hash`.)
//
// All functions: any alignment of 16, count may be 0, input and output do not overlap.
// Constant-time.
struct ExpansionKernel {
  std::string_view name;
  CpuFeatures required;

  // out[i] = AES_key(σ(in[i])) ^ σ(in[i]), σ(high, low) = (high ^ low, high). All 128 bits count.
  void (*hash)(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept;

  // children[2 i] (left) and children[2 i + 1] (right) from parents[i].
  void (*expand_level)(const Block* parents, std::size_t count, const ChildCorrections& corrections,
                       Block* children) noexcept;

  // leaves[i] = H_value(seed of nodes[i]) ^ (value correction if the control bit of nodes[i] is
  // set).
  void (*finish_leaves)(const Block* nodes, std::size_t count, const Block& value_correction,
                        Block* leaves) noexcept;
};

// All kernels of this build, the fastest first; the last is "portable" and runs everywhere.
[[nodiscard]] std::span<const ExpansionKernel* const> expansion_kernels() noexcept;

// The fastest this CPU runs.
[[nodiscard]] const ExpansionKernel& best_expansion_kernel() noexcept;

// The one of that name. Errors: bad_configuration for an unknown name, cpu_feature_missing.
[[nodiscard]] Result<const ExpansionKernel*> find_expansion_kernel(std::string_view name);

}  // namespace gyre::dpf
