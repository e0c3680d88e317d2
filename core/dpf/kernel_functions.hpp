// What every instruction set's expansion file implements, in plain declarations.
//
// The files that include this are compiled with instruction-set flags of their own. Whatever inline
// function they instantiate could be chosen by the linker for the whole program, so nothing here
// has a body and no standard container appears. core/dpf/expansion_kernel.hpp is the header for
// everybody else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dpf/block.hpp"

namespace gyre::dpf {

// The three fixed AES keys of the construction.
enum class FixedKey : std::uint8_t { left, right, value };

// What one level adds to the children of a node whose control bit is set: the level's correction
// seed, that side's control correction in its lowest bit.
struct ChildCorrections {
  Block left;
  Block right;
};

// AES-128 round keys 0 … 10 of each FixedKey, in the order of the enumeration.
extern const Block fixed_round_keys[3][11];

// The contracts are those of the function pointers in ExpansionKernel.
#define GYRE_DPF_KERNEL_FUNCTIONS                                                                 \
  void hash(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept;               \
  void expand_level(const Block* parents, std::size_t count, const ChildCorrections& corrections, \
                    Block* children) noexcept;                                                    \
  void finish_leaves(const Block* nodes, std::size_t count, const Block& value_correction,        \
                     Block* leaves) noexcept;

namespace portable {
GYRE_DPF_KERNEL_FUNCTIONS
}  // namespace portable
namespace aesni {
GYRE_DPF_KERNEL_FUNCTIONS
}  // namespace aesni
namespace vaes256 {
GYRE_DPF_KERNEL_FUNCTIONS
}  // namespace vaes256
namespace vaes {
GYRE_DPF_KERNEL_FUNCTIONS
}  // namespace vaes
#undef GYRE_DPF_KERNEL_FUNCTIONS

}  // namespace gyre::dpf
