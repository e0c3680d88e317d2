// The deepest tree that there is. A header of its own for code of devices, which sees no more of
// keys.
#pragma once

namespace gyre::dpf {

inline constexpr unsigned max_levels = 48;

}  // namespace gyre::dpf
