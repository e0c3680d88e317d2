#include "backends/reference/reference_backend.hpp"

#include "tests/conformance/backend_conformance.hpp"

namespace gyre {
namespace {

BackendUnderTest reference() {
  return {.name = "reference",
          .make = []() -> Result<std::unique_ptr<Backend>> {
            return std::make_unique<ReferenceBackend>();
          },
          .expected_kernel = "scalar"};
}

INSTANTIATE_TEST_SUITE_P(Reference, BackendConformance, testing::Values(reference()), name_of);

}  // namespace
}  // namespace gyre
