// The fault plan of the environment: GYRE_FAULTS and GYRE_FAULT_SEED.
#pragma once

#include <memory>
#include <string_view>

#include "core/error.hpp"

namespace gyre::cli {

// Keeps the plan in force as long as it lives.
class EnvironmentFaults {
 public:
  EnvironmentFaults() = default;
  EnvironmentFaults(const EnvironmentFaults&) = delete;
  EnvironmentFaults& operator=(const EnvironmentFaults&) = delete;
  virtual ~EnvironmentFaults() = default;

  // Errors: bad_configuration if nobody came to one of the plan's points: it tested nothing there.
  [[nodiscard]] virtual Result<void> check_all_hit() const = 0;
};

// Nothing if GYRE_FAULTS is not set. In a build with fault points `serve` runs under the plan,
// every firing logged, and `run` hands it on to the servers that it starts; nobody else takes one,
// and no other build does. Call it before there are threads. Errors: bad_configuration.
[[nodiscard]] Result<std::unique_ptr<EnvironmentFaults>> faults_of_environment(
    std::string_view command);

}  // namespace gyre::cli
