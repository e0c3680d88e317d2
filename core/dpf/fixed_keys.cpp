#include "core/dpf/fixed_keys.hpp"

#include "core/dpf/kernel_functions.hpp"

namespace gyre::dpf {
namespace {

constexpr std::array<std::array<Block, 11>, 3> schedules = {
    expand_aes_key(fixed_keys[0]), expand_aes_key(fixed_keys[1]), expand_aes_key(fixed_keys[2])};

#define GYRE_ROUND_KEYS(s) \
  { s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10] }

}  // namespace

constinit const Block fixed_round_keys[3][11] = {
    GYRE_ROUND_KEYS(schedules[0]), GYRE_ROUND_KEYS(schedules[1]), GYRE_ROUND_KEYS(schedules[2])};
#undef GYRE_ROUND_KEYS

}  // namespace gyre::dpf
