// What is tried at a fault point.
#pragma once

#include <vector>

#include "core/fault_point.hpp"
#include "fault_injection/plan.hpp"

namespace gyre::faults {

// Everything that it allows but a crash: each error, and arguments small and large. A `pause` is
// among them, so somebody must let it go.
[[nodiscard]] std::vector<fault_injection::Term> terms_at(const FaultPointDescription& point);

}  // namespace gyre::faults
