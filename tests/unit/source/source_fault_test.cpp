// Failures put at the fault points of sources: the error arrives as it was put, and what comes
// after works.
#include <gtest/gtest.h>

#include "core/fault_point.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/unit/source/reading.hpp"

namespace gyre::source {
namespace {

#if defined(GYRE_FAULT_POINTS)

template <FaultPoint at>
std::optional<Error> fail_at(FaultPoint point) {
  if (point != at) return std::nullopt;
  return Error{ErrorCode::source_failed, "put there by a test"};
}

class SourceFault : public TemporaryDirectoryTest {
 protected:
  SourceFault()
      : origin_([](OriginPeer& peer) {
          peer.read_request();
          peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrows");
        }),
        policy_(policy_for(origin_)) {
    policy_.local_root = directory_.path();
    directory_.write("table.rows", "rows");
  }
  ~SourceFault() override { set_fault_hook(nullptr); }

  void expect_failure_then_success(FaultHook hook, const std::string& url) {
    set_fault_hook(hook);
    EXPECT_EQ(code_of(fetch(url, policy_)), ErrorCode::source_failed);
    set_fault_hook(nullptr);
    EXPECT_EQ(fetch(url, policy_), "rows");
  }

  HostileOrigin origin_;
  SourcePolicy policy_;
};

TEST_F(SourceFault, AtOpen) {
  expect_failure_then_success(&fail_at<FaultPoint::source_open>, url_of(origin_));
  EXPECT_EQ(origin_.connections(), 1);  // of the success
  expect_failure_then_success(&fail_at<FaultPoint::source_open>, "file:///table.rows");
}

TEST_F(SourceFault, AtConnect) {
  expect_failure_then_success(&fail_at<FaultPoint::source_connect>, url_of(origin_));
  EXPECT_EQ(origin_.connections(), 1);
}

TEST_F(SourceFault, AtRead) {
  expect_failure_then_success(&fail_at<FaultPoint::source_read>, url_of(origin_));
  expect_failure_then_success(&fail_at<FaultPoint::source_read>, "file:///table.rows");
}

#endif

}  // namespace
}  // namespace gyre::source
