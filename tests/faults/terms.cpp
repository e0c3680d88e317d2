#include "tests/faults/terms.hpp"

#include <cstdint>

namespace gyre::faults {

std::vector<fault_injection::Term> terms_at(const FaultPointDescription& point) {
  std::vector<fault_injection::Term> terms;
  for (const ErrorCode code : point.codes()) {
    terms.push_back({.action = FaultAction::fail, .code = code});
  }
  terms.push_back({.action = FaultAction::delay, .argument = 1});
  if (point.allows(FaultAction::pause)) terms.push_back({.action = FaultAction::pause});
  if (point.allows(FaultAction::partial)) {
    for (const std::uint64_t bytes : {0U, 1U, 100U}) {
      terms.push_back({.action = FaultAction::partial, .argument = bytes});
    }
    for (const std::uint64_t bits : {1U, 9U}) {
      terms.push_back({.action = FaultAction::corrupt, .argument = bits});
    }
  }
  return terms;
}

}  // namespace gyre::faults
