// Any text is a fault plan or is refused; a plan that is written down again reads as the same.
#include <cstddef>
#include <cstdint>

#include "fault_injection/plan.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = gyre::fault_injection::parse_plan({reinterpret_cast<const char*>(data), size});
  if (!plan) return 0;
  const auto again = gyre::fault_injection::parse_plan(gyre::fault_injection::text_of(*plan));
  gyre::fuzz::require(again.has_value());
  gyre::fuzz::require(*again == *plan);
  return 0;
}
