// Bringing an image that is already served to one place more.
#pragma once

#include <functional>
#include <memory>

#include "core/backend.hpp"
#include "core/error.hpp"

namespace gyre {

// An image in `to` of the rows that `from` holds, checked. `from` serves meanwhile; takes O(chunk)
// host memory. Asks `wanted` before every chunk and ends with `cancelled` if it says no. Errors:
// the backend's (device_out_of_memory: it has no room now), image_corrupt, cancelled; then `to` has
// everything back. Thread-safe.
[[nodiscard]] Result<std::shared_ptr<const Image>> promote(const Image& from, Backend& to,
                                                           const std::function<bool()>& wanted);

}  // namespace gyre
