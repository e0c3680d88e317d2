// What every backend must do, as one suite. A backend's own test file is a line that instantiates
// it:
//
//   INSTANTIATE_TEST_SUITE_P(Reference, BackendConformance, testing::Values(BackendUnderTest{…}),
//   name_of);
//
// The expected answers come from a byte-wise oracle in the suite, not from the reference backend,
// which is itself a backend under test.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "core/backend.hpp"

namespace gyre {

struct BackendUnderTest {
  std::string name;  // letters, digits and underscores
  std::function<Result<std::unique_ptr<Backend>>()> make;
  std::string expected_kernel;
  // An image may take this much more memory than its rows.
  std::uint64_t memory_slack_bytes = 0;
  // Why it cannot be tested on this machine; empty: it can.
  std::string skipped_because = {};

  friend std::ostream& operator<<(std::ostream& out, const BackendUnderTest& backend) {
    return out << backend.name;
  }
};

inline std::string name_of(const testing::TestParamInfo<BackendUnderTest>& info) {
  return info.param.name;
}

class BackendConformance : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    if (!GetParam().skipped_because.empty()) GTEST_SKIP() << GetParam().skipped_because;
    auto made = GetParam().make();
    ASSERT_TRUE(made) << made.error().message;
    backend_ = std::move(*made);
  }

  [[nodiscard]] Backend& backend() { return *backend_; }

 private:
  std::unique_ptr<Backend> backend_;
};

}  // namespace gyre
