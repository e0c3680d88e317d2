#include "fault_injection/plan.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"

namespace gyre::fault_injection {
namespace {

TEST(FaultPlan, ReadsTheWholeGrammar) {
  const auto plan = parse_plan(
      "source.read=2*off->12.5%3*partial(7)->corrupt(9); publish=delay(20);\n"
      "query.scan=0.0001%return(device_failed)->pause;device.alloc=return;retire=1*crash");
  ASSERT_TRUE(plan) << plan.error().message;
  const Plan expected{{
      {FaultPoint::source_read,
       {{.count = 2},
        {.action = FaultAction::partial, .per_million = 125'000, .count = 3, .argument = 7},
        {.action = FaultAction::corrupt, .argument = 9}}},
      {FaultPoint::publish, {{.action = FaultAction::delay, .argument = 20}}},
      {FaultPoint::query_scan,
       {{.action = FaultAction::fail, .per_million = 1, .code = ErrorCode::device_failed},
        {.action = FaultAction::pause}}},
      // A `return` alone fails with the first error of its point.
      {FaultPoint::device_alloc,
       {{.action = FaultAction::fail, .code = ErrorCode::device_out_of_memory}}},
      {FaultPoint::retire, {{.action = FaultAction::crash, .count = 1}}},
  }};
  EXPECT_EQ(*plan, expected);
  EXPECT_EQ(parse_plan(""), Plan{});
  EXPECT_EQ(parse_plan(" validate=return ; ")->points.size(), 1U);
}

struct Wrong {
  const char* text;
  std::size_t character;  // at which the message says it is wrong
  const char* hint;       // a word of it
};

class WrongPlan : public testing::TestWithParam<Wrong> {};

TEST_P(WrongPlan, IsRefusedWithThePlaceAndWhatWouldBeRight) {
  const auto plan = parse_plan(GetParam().text);
  ASSERT_EQ(code_of(plan), ErrorCode::bad_configuration);
  const std::string& message = plan.error().message;
  EXPECT_NE(message.find("character " + std::to_string(GetParam().character) + ":"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find(GetParam().hint), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, WrongPlan,
    testing::Values(
        Wrong{"nowhere=return", 1, "faults list"}, Wrong{"validate", 9, "`=`"},
        Wrong{"validate=", 10, "action"}, Wrong{"validate=explode", 10, "action"},
        Wrong{"validate=0%return", 10, "percentage"},
        Wrong{"validate=100.1%return", 10, "percentage"},
        Wrong{"validate=1.23456%return", 10, "percentage"}, Wrong{"validate=0*return", 11, "count"},
        Wrong{"validate=99999999999*return", 10, "count"}, Wrong{"validate=3return", 11, "`*`"},
        Wrong{"validate=return(no_such_code)", 17, "error code"},
        Wrong{"validate=return(internal", 25, "`)`"}, Wrong{"validate=delay", 15, "(ms)"},
        Wrong{"validate=delay(600001)", 16, "number"}, Wrong{"validate=delay()", 16, "number"},
        Wrong{"source.read=corrupt(0)", 22, "number"},
        Wrong{"validate=partial(1)", 10, "does not allow"},
        Wrong{"publish=return", 9, "does not allow"}, Wrong{"publish=pause", 9, "does not allow"},
        Wrong{"validate=return validate=return", 17, "`;`"},
        Wrong{"validate=return;validate=off", 29, "one entry"},
        Wrong{"validate=return->", 18, "action"}));

TEST(FaultPlan, IsBounded) {
  EXPECT_EQ(code_of(parse_plan(std::string(max_plan_bytes + 1, ' '))),
            ErrorCode::bad_configuration);
  std::string terms = "validate=off";
  for (int i = 0; i < 64; ++i) terms += "->off";
  EXPECT_EQ(code_of(parse_plan(terms)), ErrorCode::bad_configuration);
}

rc::Gen<Term> any_term(const FaultPointDescription& point) {
  return rc::gen::exec([point] {
    Term term;
    do {
      term.action = static_cast<FaultAction>(*anywhere_in<std::size_t>(0, fault_action_count));
    } while (!point.allows(term.action));
    if (*rc::gen::arbitrary<bool>()) term.per_million = *anywhere_in<std::uint32_t>(1, always + 1);
    if (*rc::gen::arbitrary<bool>()) term.count = *anywhere_in<std::uint64_t>(1, 100'000);
    if (term.action == FaultAction::fail) {
      term.code = point.codes()[*anywhere_in<std::size_t>(0, point.codes().size())];
    }
    if (term.action == FaultAction::partial || term.action == FaultAction::delay ||
        term.action == FaultAction::corrupt) {
      term.argument = *anywhere_in<std::uint64_t>(1, max_corrupt_bits + 1);
    }
    return term;
  });
}

RC_GTEST_PROP(FaultPlan, WhatIsWrittenReadsAsTheSame, ()) {
  Plan plan;
  for (const FaultPointDescription& point : fault_points) {
    if (*anywhere_in(0, 4) != 0) continue;
    plan.points.push_back({point.point, *rc::gen::container<std::vector<Term>>(
                                            *anywhere_in<std::size_t>(1, 5), any_term(point))});
  }
  const auto read = parse_plan(text_of(plan));
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == plan);
}

TEST(FaultPlan, OneHitAloneIsWrittenWithWhatComesBefore) {
  const Term term{.action = FaultAction::fail, .code = ErrorCode::internal};
  EXPECT_EQ(text_of(Plan{{at_hit(FaultPoint::validate, 1, term)}}), "validate=1*return(internal)");
  EXPECT_EQ(text_of(Plan{{at_hit(FaultPoint::validate, 3, term)}}),
            "validate=2*off->1*return(internal)");
}

}  // namespace
}  // namespace gyre::fault_injection
