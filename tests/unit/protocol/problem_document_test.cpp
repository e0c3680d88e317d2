#include "harness/protocol/problem_document.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/protocol/http_status.hpp"
#include "tests/support/code_of.hpp"

namespace gyre::protocol {
namespace {

constexpr ErrorCode all_codes[] = {
#define GYRE_CODE(code, meaning) ErrorCode::code,
    GYRE_ERROR_CODES(GYRE_CODE)
#undef GYRE_CODE
};

TEST(ProblemDocument, SurvivesTheJourneyForEveryCode) {
  for (const ErrorCode code : all_codes) {
    const std::string text = encode_problem({code, "what was wrong"});
    const auto decoded = decode_problem(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(decoded->code, name(code));
    EXPECT_EQ(decoded->detail, "what was wrong");
    EXPECT_EQ(decoded->status, http_status(code));
  }
}

TEST(ProblemDocument, HasTheMembersOfRfc9457) {
  const auto document =
      nlohmann::json::parse(encode_problem({ErrorCode::epoch_gone, "pick another"}));
  EXPECT_EQ(document, nlohmann::json({{"type", "about:blank"},
                                      {"title", "Gone"},
                                      {"status", 410},
                                      {"detail", "pick another"},
                                      {"code", "epoch_gone"}}));
}

TEST(ProblemDocument, MembersThatAreNotKnownArePassedOver) {
  EXPECT_TRUE(decode_problem(R"({"status":500,"code":"internal","detail":"x","instance":"/1"})"));
}

TEST(ProblemDocument, AHostileServersTextCannotDriveATerminal) {
  const auto decoded =
      decode_problem("{\"status\":500,\"code\":\"internal\",\"detail\":\"a\\u001b[2Jb\xc3\xa9\"}");
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->detail, "a?[2Jb??");
  const auto lengthy = decode_problem(R"({"status":500,"code":"internal","detail":")" +
                                      std::string(2000, 'x') + "\"}");
  ASSERT_TRUE(lengthy);
  EXPECT_EQ(lengthy->detail.size(), ProblemDocument::max_detail_bytes);
}

TEST(ProblemDocument, WhatIsNotOneIsRefused) {
  for (const std::string body :
       {"", "<html>", "[]", "{}", R"({"status":200,"code":"internal","detail":""})",
        R"({"status":500,"code":"","detail":""})", R"({"status":500,"code":"a b","detail":""})",
        R"({"status":500,"code":"internal"})",
        R"({"status":"500","code":"internal","detail":""})"}) {
    EXPECT_EQ(code_of(decode_problem(body)), ErrorCode::bad_answer) << body;
  }
  EXPECT_EQ(code_of(decode_problem(R"({"status":500,"code":"internal","detail":")" +
                                   std::string(max_problem_bytes, 'x') + "\"}")),
            ErrorCode::bad_answer);
}

TEST(HttpStatus, IsTheDocumentedOne) {
  EXPECT_EQ(http_status(ErrorCode::malformed_request), 400);
  EXPECT_EQ(http_status(ErrorCode::key_domain_mismatch), 400);
  EXPECT_EQ(http_status(ErrorCode::wrong_party), 400);
  EXPECT_EQ(http_status(ErrorCode::unauthorized), 401);
  EXPECT_EQ(http_status(ErrorCode::admin_not_configured), 403);
  EXPECT_EQ(http_status(ErrorCode::source_not_allowed), 403);
  EXPECT_EQ(http_status(ErrorCode::rotation_in_progress), 409);
  EXPECT_EQ(http_status(ErrorCode::updates_would_be_lost), 409);
  EXPECT_EQ(http_status(ErrorCode::sequence_gap), 409);
  EXPECT_EQ(http_status(ErrorCode::sequence_conflict), 409);
  EXPECT_EQ(http_status(ErrorCode::cancelled), 409);
  EXPECT_EQ(http_status(ErrorCode::device_upload_failed), 500);
  EXPECT_EQ(http_status(ErrorCode::source_failed), 502);
  EXPECT_EQ(http_status(ErrorCode::source_timed_out), 504);
  EXPECT_EQ(http_status(ErrorCode::not_found), 404);
  EXPECT_EQ(http_status(ErrorCode::method_not_allowed), 405);
  EXPECT_EQ(http_status(ErrorCode::request_too_slow), 408);
  EXPECT_EQ(http_status(ErrorCode::epoch_gone), 410);
  EXPECT_EQ(http_status(ErrorCode::request_too_large), 413);
  EXPECT_EQ(http_status(ErrorCode::unsupported_media_type), 415);
  EXPECT_EQ(http_status(ErrorCode::digest_mismatch), 422);
  EXPECT_EQ(http_status(ErrorCode::too_many_requests), 429);
  EXPECT_EQ(http_status(ErrorCode::internal), 500);
  EXPECT_EQ(http_status(ErrorCode::draining), 503);
  EXPECT_EQ(http_status(ErrorCode::no_epoch), 503);
  EXPECT_EQ(http_status(ErrorCode::queue_full), 503);
  EXPECT_EQ(http_status(ErrorCode::overlay_full), 503);
  EXPECT_EQ(http_status(ErrorCode::out_of_memory), 507);
}

TEST(HttpStatus, EveryCodeHasAStatusWithAReasonPhrase) {
  for (const ErrorCode code : all_codes) {
    EXPECT_NE(reason_phrase(http_status(code)), "Error") << name(code);
  }
}

}  // namespace
}  // namespace gyre::protocol
