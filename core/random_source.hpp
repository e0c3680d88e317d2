// Where random bytes come from.
#pragma once

#include <cstddef>
#include <span>

#include "core/error.hpp"

namespace gyre {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Fills every byte or fails (internal). Thread-safety: the implementation says.
  [[nodiscard]] virtual Result<void> fill(std::span<std::byte> out) = 0;
};

// The operating system's source, getrandom(2). Thread-safe. The only one that may make keys for a
// query.
class SystemRandom final : public RandomSource {
 public:
  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override;
};

}  // namespace gyre
