// Bringing an image that is already served to one place more.
#pragma once

#include <memory>
#include <stop_token>

#include "core/backend.hpp"
#include "core/error.hpp"

namespace gyre {

// An image in `to` of the rows that `from` holds, checked. `from` serves meanwhile; takes O(chunk)
// host memory. Errors: the backend's (device_out_of_memory: it has no room now), image_corrupt,
// cancelled; then `to` has everything back. Thread-safe.
[[nodiscard]] Result<std::shared_ptr<const Image>> promote(const Image& from, Backend& to,
                                                           const std::stop_token& stop);

}  // namespace gyre
