// The expansion kernels this processor runs, for tests that must hold for each of them.
#pragma once

#include <vector>

#include "core/cpu_features.hpp"
#include "core/dpf/expansion_kernel.hpp"

namespace gyre::dpf {

inline std::vector<const ExpansionKernel*> runnable_kernels() {
  std::vector<const ExpansionKernel*> runnable;
  for (const ExpansionKernel* kernel : expansion_kernels()) {
    if (covers(cpu_features(), kernel->required)) runnable.push_back(kernel);
  }
  return runnable;
}

}  // namespace gyre::dpf
