#include "harness/server/admin_access.hpp"

#include <gtest/gtest.h>

#include "tests/support/code_of.hpp"

namespace gyre::server {
namespace {

using namespace std::chrono_literals;

const std::string token = "a-token-of-many-characters";

class AdminAccessTest : public testing::Test {
 protected:
  std::optional<ErrorCode> check(const std::string& header, const std::string& address = "::1",
                                 const std::string& subject = "") {
    return code_of(access_.check(address, subject, &header, now_));
  }
  std::optional<ErrorCode> check_without(const std::string& address = "::1") {
    return code_of(access_.check(address, "", nullptr, now_));
  }
  void fail_times(unsigned times, const std::string& address = "::1") {
    for (unsigned i = 0; i < times; ++i) {
      ASSERT_EQ(check("Bearer wrong", address), ErrorCode::unauthorized);
      now_ += AdminAccess::longest_wait;
    }
    now_ -= AdminAccess::longest_wait;
  }

  AdminAccess access_{token, {}};
  AdminAccess::Clock::time_point now_;
};

TEST_F(AdminAccessTest, TheTokenOpensAndNothingElseDoes) {
  EXPECT_EQ(check("Bearer " + token), std::nullopt);
  EXPECT_EQ(check("bearer " + token),
            std::nullopt);  // the scheme's case does not matter (RFC 9110)
  EXPECT_EQ(check_without(), ErrorCode::unauthorized);
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), token, "Basic " + token,
        "Bearer " + token + "x", "Bearer " + token.substr(1), "Bearer  " + token,
        "Bearer " + std::string(token.size(), 'x')}) {
    AdminAccess fresh(token, {});
    EXPECT_EQ(code_of(fresh.check("::1", "", &wrong, now_)), ErrorCode::unauthorized) << wrong;
  }
}

TEST_F(AdminAccessTest, WithoutATokenNobodyIsAnAdmin) {
  AdminAccess closed("", {});
  for (const std::string& header : {std::string("Bearer "), std::string("Bearer x")}) {
    EXPECT_EQ(code_of(closed.check("::1", "", &header, now_)), ErrorCode::admin_not_configured);
  }
  EXPECT_EQ(code_of(closed.check("::1", "", nullptr, now_)), ErrorCode::admin_not_configured);
}

TEST_F(AdminAccessTest, WhoKeepsGuessingHasToWaitLongerAndLonger) {
  fail_times(AdminAccess::free_failures);
  EXPECT_EQ(check("Bearer wrong"), ErrorCode::unauthorized);
  // Not even the right token is looked at, or the wait would tell which one is right.
  EXPECT_EQ(check("Bearer " + token), ErrorCode::too_many_requests);
  now_ += AdminAccess::first_wait;
  EXPECT_EQ(check("Bearer wrong"), ErrorCode::unauthorized);
  now_ += AdminAccess::first_wait;
  EXPECT_EQ(check("Bearer wrong"), ErrorCode::too_many_requests);
  now_ += AdminAccess::first_wait;
  EXPECT_EQ(check("Bearer wrong"), ErrorCode::unauthorized);
}

TEST_F(AdminAccessTest, NobodyWaitsLongerThanTheLongestWait) {
  fail_times(60);
  EXPECT_EQ(check("Bearer " + token), ErrorCode::too_many_requests);
  now_ += AdminAccess::longest_wait;
  EXPECT_EQ(check("Bearer " + token), std::nullopt);
}

TEST_F(AdminAccessTest, TheRightTokenForgivesAndOtherAddressesAreNotConcerned) {
  fail_times(AdminAccess::free_failures + 1);
  EXPECT_EQ(check("Bearer " + token, "10.0.0.1"), std::nullopt);
  now_ += AdminAccess::longest_wait;
  EXPECT_EQ(check("Bearer " + token), std::nullopt);
  fail_times(AdminAccess::free_failures);
  EXPECT_EQ(check("Bearer " + token), std::nullopt);
}

TEST_F(AdminAccessTest, NoHeaderIsNoGuess) {
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(check_without(), ErrorCode::unauthorized);
  EXPECT_EQ(check("Bearer " + token), std::nullopt);
}

TEST_F(AdminAccessTest, ManyAddressesForgetTheOneThatFailedLongestAgo) {
  fail_times(AdminAccess::free_failures + 1, "first");
  EXPECT_EQ(check("Bearer " + token, "first"), ErrorCode::too_many_requests);
  for (std::size_t i = 0; i < AdminAccess::max_addresses; ++i) {
    EXPECT_EQ(check("Bearer wrong", std::to_string(i)), ErrorCode::unauthorized);
  }
  EXPECT_EQ(check("Bearer " + token, "first"), std::nullopt);
}

TEST_F(AdminAccessTest, WithSubjectsTheCertificateMustHaveOneOfThem) {
  AdminAccess listed(token, {"CN=ops,O=Example"});
  const std::string header = "Bearer " + token;
  EXPECT_EQ(code_of(listed.check("::1", "CN=ops,O=Example", &header, now_)), std::nullopt);
  EXPECT_EQ(code_of(listed.check("::1", "CN=ops,O=Example2", &header, now_)),
            ErrorCode::unauthorized);
  EXPECT_EQ(code_of(listed.check("::1", "", &header, now_)), ErrorCode::unauthorized);
}

}  // namespace
}  // namespace gyre::server
