#include "harness/server/image_health.hpp"

#include <algorithm>

namespace gyre::server {

ImageHealth image_health(const Images& images, const std::vector<std::string>& wanted) {
  ImageHealth health;
  for (const auto& image : images) {
    if (!image->healthy()) health.failed.emplace_back(image->residency());
  }
  for (const std::string& residency : wanted) {
    const bool there = std::any_of(images.begin(), images.end(), [&](const auto& image) {
      return image->residency() == residency;
    });
    if (!there) health.missing.push_back(residency);
  }
  return health;
}

}  // namespace gyre::server
