// The oracle: rows as they came, selection bits one by one, no kernels. Every other backend is held
// against it, so it shares no scan or layout code with any of them.
#pragma once

#include <memory>
#include <string_view>

#include "core/backend.hpp"

namespace gyre {

// Thread-safe. Slow: for tests and small tables.
class ReferenceBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "reference"; }
  [[nodiscard]] Result<std::unique_ptr<Staging>> stage(const Geometry& geometry) override;
};

}  // namespace gyre
