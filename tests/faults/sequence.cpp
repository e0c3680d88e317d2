#include "tests/faults/sequence.hpp"

#include <rapidcheck.h>
#include <rapidcheck/detail/Configuration.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <set>
#include <stop_token>
#include <utility>

#include "tests/faults/terms.hpp"
#include "tests/support/generators.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Injector;
using fault_injection::Plan;
using fault_injection::PointPlan;

struct Count {
  std::size_t sequences = 0;
  std::size_t histories = 0;  // judged
  std::size_t violations = 0;
  std::set<FaultPoint> fired;
};
Count& count() {
  static Count so_far;
  return so_far;
}

class Report final : public testing::Environment {
  void TearDown() override {
    std::cout << "faults: " << count().sequences << " random sequences, " << count().fired.size()
              << " of " << fault_points.size() << " points fired, " << count().histories
              << " histories judged, " << count().violations << " violations" << std::endl;
  }
};
const auto* const registered_report = testing::AddGlobalTestEnvironment(new Report);

// RapidCheck says its configuration once and what is to be filtered never.
class ReplayPrinter final : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override {
    if (!test.result()->Failed()) return;
    const auto& parameters = rc::detail::configuration().testParams;
    std::cout << "replay: RC_PARAMS='seed=" << parameters.seed
              << " max_success=" << parameters.maxSuccess << " max_size=" << parameters.maxSize
              << "' " << ::program_invocation_name << " --gtest_filter=" << test.test_suite_name()
              << '.' << test.name() << std::endl;
  }
};
[[maybe_unused]] const bool registered_printer = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new ReplayPrinter);
  return true;
}();

}  // namespace

const TestSnapshots& snapshots() {
  static const TestSnapshots made;
  return made;
}

fault_injection::Contents contents_of(const std::vector<const World*>& worlds, bool one_feed) {
  fault_injection::Contents contents(crypto::sha256);
  snapshots().add_all_to(contents);
  for (const World* world : worlds) world->add_batches_to(contents, one_feed);
  return contents;
}

void require_good(fault_injection::History history, const fault_injection::Contents& contents) {
  for (const auto& firing : history.firings) count().fired.insert(firing.point);
  if (history.replay.empty()) history.replay = "see `replay:` below";
  const auto verdict = check(history, contents);
  ++count().histories;
  count().violations += verdict.violations.size();
  // At once, and not as RapidCheck's description: that comes from running the case again, and which
  // thread comes first differs.
  if (!verdict.good()) std::cerr << verdict.text();
  RC_ASSERT(verdict.good());
}

void require_no_findings(const World& world) {
  for (const std::string& finding : world.findings()) std::cerr << finding << '\n';
  RC_ASSERT(world.findings().empty());
}

Plan some_faults(int most) {
  Plan plan;
  for (int left = *anywhere_in(1, most + 1); left > 0; --left) {
    const auto& point = fault_points[*anywhere_in<std::size_t>(0, fault_points.size())];
    const auto same = [&](const PointPlan& entry) { return entry.point == point.point; };
    if (std::ranges::any_of(plan.points, same)) continue;
    const auto terms = terms_at(point);
    plan.points.push_back(fault_injection::at_hit(point.point, *anywhere_in<std::uint64_t>(1, 3),
                                                  *rc::gen::elementOf(terms)));
  }
  return plan;
}

Plan faults_now_and_then() {
  Plan plan;
  for (const FaultPointDescription& point : fault_points) {
    if (*anywhere_in(0, 3) != 0) continue;
    const auto terms = terms_at(point);
    plan.points.push_back({point.point, {}});
    for (const std::uint32_t per_million : {150'000U, 100'000U}) {
      auto term = *rc::gen::elementOf(terms);
      term.per_million = per_million;
      plan.points.back().terms.push_back(term);
    }
  }
  return plan;
}

PauseEnder::PauseEnder(Injector& injector, const Plan& plan) {
  std::vector<FaultPoint> pauses;
  for (const PointPlan& entry : plan.points) {
    const auto is_pause = [](const auto& term) { return term.action == FaultAction::pause; };
    if (std::ranges::any_of(entry.terms, is_pause)) pauses.push_back(entry.point);
  }
  if (pauses.empty()) return;
  thread_ = std::jthread([&injector, pauses](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      for (const FaultPoint point : pauses) {
        if (injector.is_paused(point)) injector.release(point);
      }
    }
  });
}

void Exceptions::keep(const std::exception& thrown) noexcept {
  any_ = true;
  std::fprintf(stderr, "thrown by a thread of a case: %s\n", thrown.what());
}

void Exceptions::require_none() const {
  RC_ASSERT(!any_);
}

// For every case of a property.
FaultSequences::FaultSequences() {
  spdlog::set_level(spdlog::level::off);
  ++count().sequences;
}

}  // namespace gyre::faults
