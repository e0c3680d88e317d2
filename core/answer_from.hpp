// A pass answered from one of several images of the same content.
#pragma once

#include <span>

#include "core/epoch.hpp"
#include "core/error.hpp"

namespace gyre {

// Asks the images in their order until one answers: those that say they are healthy first, then, if
// there is none, the others. A failure of a device goes on to the next image, and since the
// device's image then says that it is not healthy, later passes do not try it again. All answers of
// a pass come from one image. Thread-safe. REQUIRES: an image; answers.size() as Image::answer()
// wants it. Errors: of the last image that was asked; any that is not a device's, at once.
[[nodiscard]] Result<void> answer_from(const Images& images, const Pass& pass,
                                       std::span<std::byte> answers);

}  // namespace gyre
