#include "harness/server/query_service.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "backends/reference/reference_backend.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/held_image.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {
namespace {

using protocol::QueryRequest;

constexpr Geometry geometry{600, 12, 4};

// What two parties with the same epochs would be; here both read the same table.
struct Parties {
  explicit Parties(QueryLimits limits = {}, RetentionPolicy policy = {})
      : epochs("boot", policy, retirer) {
    services.push_back(std::make_unique<QueryService>(epochs, 0, limits));
    services.push_back(std::make_unique<QueryService>(epochs, 1, limits));
  }
  void publish_table(unsigned table) {
    publish(epochs, test_epoch(table, test_image(backend, table, geometry)));
  }

  ReferenceBackend backend;
  Retirer retirer;
  EpochTable epochs;
  std::vector<std::unique_ptr<QueryService>> services;
  SeededRandom random{7};
};

dpf::Key key_for(Parties& parties, std::uint8_t party, std::uint64_t index = 0,
                 std::uint64_t records = geometry.rows) {
  return make_keys(records, index, parties.random)[party];
}

RC_GTEST_PROP(QueryService, TwoAnswersTogetherAreTheRecords, ()) {
  static Parties parties;
  if (parties.epochs.snapshot().empty()) parties.publish_table(0);
  const QueryKind kind = *rc::gen::element(QueryKind::row, QueryKind::page);
  std::array<QueryRequest, 2> requests;
  std::vector<std::byte> expected;
  const auto count = *anywhere_in<int>(1, 5);
  for (int i = 0; i < count; ++i) {
    const auto index = *anywhere_in<std::uint64_t>(0, geometry.records(kind));
    const auto keys = make_keys(geometry.records(kind), index, parties.random);
    requests[0].keys.push_back(keys[0]);
    requests[1].keys.push_back(keys[1]);
    const std::uint64_t rows = kind == QueryKind::row ? 1 : geometry.rows_per_page;
    const auto record = test_rows(0, geometry, index * rows, rows);
    expected.insert(expected.end(), record.begin(), record.end());
  }
  auto first = parties.services[0]->answer(kind, requests[0]);
  auto second = parties.services[1]->answer(kind, requests[1]);
  RC_ASSERT(first.has_value());
  RC_ASSERT(second.has_value());
  RC_ASSERT(first->response.answer_bytes == geometry.answer_bytes(kind));
  RC_ASSERT(first->response.epoch == second->response.epoch);
  std::vector<std::byte> sum = first->response.answers;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= second->response.answers[i];
  RC_ASSERT(sum == expected);
}

TEST(QueryService, WithoutAnEpochItSaysSo) {
  Parties parties;
  EXPECT_EQ(
      code_of(parties.services[0]->answer(QueryKind::row, {CurrentEpoch{}, {key_for(parties, 0)}})),
      ErrorCode::no_epoch);
}

TEST(QueryService, RefusesKeysThatDoNotFit) {
  Parties parties;
  parties.publish_table(0);
  QueryService& service = *parties.services[0];
  const auto code = [&](std::vector<dpf::Key> keys) {
    return code_of(service.answer(QueryKind::row, {CurrentEpoch{}, std::move(keys)}));
  };
  EXPECT_EQ(code({}), ErrorCode::malformed_request);
  EXPECT_EQ(code({key_for(parties, 1)}), ErrorCode::wrong_party);
  EXPECT_EQ(code({key_for(parties, 0), key_for(parties, 1)}), ErrorCode::wrong_party);
  EXPECT_EQ(code({key_for(parties, 0, 0, 256)}), ErrorCode::key_domain_mismatch);
  EXPECT_FALSE(code({key_for(parties, 0, 0, std::uint64_t{1} << 30U)}));  // surplus levels
  EXPECT_EQ(code(std::vector<dpf::Key>(service.limits().max_keys + 1, key_for(parties, 0))),
            ErrorCode::request_too_large);
}

TEST(QueryService, APinnedEpochIsAnsweredFromItsOwnContent) {
  Parties parties;
  parties.publish_table(0);
  const EpochId old = parties.epochs.lease(CurrentEpoch{})->epoch().id;
  parties.publish_table(1);
  const auto keys = make_keys(geometry.rows, 321, parties.random);
  const auto decode = [&](const EpochChoice& choice, const EpochId& expected_id) {
    auto first = parties.services[0]->answer(QueryKind::row, {choice, {keys[0]}});
    auto second = parties.services[1]->answer(QueryKind::row, {choice, {keys[1]}});
    EXPECT_EQ(first->response.epoch, expected_id);
    std::vector<std::byte> sum = first->response.answers;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= second->response.answers[i];
    return sum;
  };
  EXPECT_EQ(decode(old, old), test_rows(0, geometry, 321, 1));
  const EpochId current = parties.epochs.lease(CurrentEpoch{})->epoch().id;
  EXPECT_EQ(decode(CurrentEpoch{}, current), test_rows(1, geometry, 321, 1));
}

TEST(QueryService, AnEpochThatIsNotHeldIsGone) {
  Parties parties;
  parties.publish_table(0);
  EXPECT_EQ(
      code_of(parties.services[0]->answer(QueryKind::row, {EpochId{}, {key_for(parties, 0)}})),
      ErrorCode::epoch_gone);
}

TEST(QueryService, AnswersOfOneRequestAreBounded) {
  QueryLimits limits;
  limits.max_answer_bytes = 3 * geometry.row_bytes;
  Parties parties(limits);
  parties.publish_table(0);
  const auto code = [&](std::size_t keys) {
    return code_of(parties.services[0]->answer(
        QueryKind::row, {CurrentEpoch{}, std::vector<dpf::Key>(keys, key_for(parties, 0))}));
  };
  EXPECT_FALSE(code(3));
  EXPECT_EQ(code(4), ErrorCode::request_too_large);
}

TEST(QueryService, AnswersThatAreNotYetSentAreBounded) {
  QueryLimits limits;
  limits.answer_memory_bytes = 6000;  // one answer and its encoding take some 4,200
  Parties parties(limits);
  parties.publish_table(0);
  const auto answer = [&] {
    return parties.services[0]->answer(QueryKind::row, {CurrentEpoch{}, {key_for(parties, 0)}});
  };
  {
    auto held = answer();
    ASSERT_TRUE(held);
    EXPECT_EQ(code_of(answer()), ErrorCode::queue_full);
  }
  EXPECT_TRUE(answer());
  EXPECT_EQ(parties.services[0]->answer_memory_left(), limits.answer_memory_bytes);
}

TEST(QueryService, TheLeaseEndsBeforeTheAnswerIsSent) {
  RetentionPolicy policy;
  policy.retain_epochs = 0;
  Parties parties({}, policy);
  parties.publish_table(0);
  const std::weak_ptr<const Image> image =
      parties.epochs.lease(CurrentEpoch{})->epoch().images.front();
  auto answered =
      parties.services[0]->answer(QueryKind::row, {CurrentEpoch{}, {key_for(parties, 0)}});
  ASSERT_TRUE(answered);
  parties.publish_table(1);
  parties.retirer.drain();
  EXPECT_TRUE(image.expired());
}

TEST(QueryService, PassesAndWaitingQueriesAreBounded) {
  QueryLimits limits;
  limits.max_waiting = 1;
  Parties parties(limits);
  const auto held = std::make_shared<const HeldImage>(test_image(parties.backend, 0, geometry));
  publish(parties.epochs, test_epoch(0, held));
  QueryService& service = *parties.services[0];
  const QueryRequest request{CurrentEpoch{}, {key_for(parties, 0)}};

  const auto ask = [&] { EXPECT_FALSE(code_of(service.answer(QueryKind::row, request))); };
  std::thread running(ask);
  held->wait_for_passes(1);
  std::thread waiting(ask);
  while (service.waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(code_of(service.answer(QueryKind::row, request)), ErrorCode::queue_full);
  held->release();
  running.join();
  waiting.join();
  ask();
}

TEST(QueryService, PatienceEnds) {
  QueryLimits limits;
  limits.patience = std::chrono::milliseconds(1);
  Parties parties(limits);
  const auto held = std::make_shared<const HeldImage>(test_image(parties.backend, 0, geometry));
  publish(parties.epochs, test_epoch(0, held));
  const QueryRequest request{CurrentEpoch{}, {key_for(parties, 0)}};
  std::thread running(
      [&] { EXPECT_FALSE(code_of(parties.services[0]->answer(QueryKind::row, request))); });
  held->wait_for_passes(1);
  EXPECT_EQ(code_of(parties.services[0]->answer(QueryKind::row, request)), ErrorCode::queue_full);
  held->release();
  running.join();
}

// Lets one pass after the other go, and counts them.
class CountingImage final : public Image {
 public:
  using AfterPass = std::function<void(std::size_t pass, std::size_t keys)>;
  CountingImage(std::shared_ptr<const Image> inside, AfterPass after)
      : inside_(std::move(inside)), after_(std::move(after)) {}
  const Geometry& geometry() const noexcept override { return inside_->geometry(); }
  std::string_view residency() const noexcept override { return "counting"; }
  std::string_view kernel() const noexcept override { return inside_->kernel(); }
  std::uint64_t memory_bytes() const noexcept override { return inside_->memory_bytes(); }
  Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    auto answered = inside_->answer(pass, answers);
    after_(passes_++, pass.queries.size());
    return answered;
  }
  Result<void> read_rows(std::uint64_t first, std::span<std::byte> out) const override {
    return inside_->read_rows(first, out);
  }
  Result<std::shared_ptr<const Image>> with_updates(const Overlay& overlay) const override {
    return inside_->with_updates(overlay);
  }

 private:
  std::shared_ptr<const Image> inside_;
  AfterPass after_;
  mutable std::atomic<std::size_t> passes_ = 0;
};

// A service of short passes, and a request that needs three of them.
struct LongRequest {
  explicit LongRequest(const CountingImage::AfterPass& after, QueryLimits limits = short_passes())
      : parties(limits) {
    publish(parties.epochs, test_epoch(0, std::make_shared<const CountingImage>(
                                              test_image(parties.backend, 0, geometry), after)));
    request.keys.assign(2 * limits.max_pass_queries + 1, key_for(parties, 0));
  }
  static QueryLimits short_passes() {
    QueryLimits limits;
    limits.max_pass_queries = 8;
    return limits;
  }
  [[nodiscard]] QueryService& service() { return *parties.services[0]; }
  [[nodiscard]] Result<QueryService::Answered> answer() {
    return service().answer(QueryKind::row, request);
  }

  Parties parties;
  QueryRequest request;
};

TEST(QueryService, ALongRequestSharesItsPassesWithAShortOneThatWaits) {
  std::vector<std::size_t> keys_of_passes;
  std::thread short_one;
  LongRequest* asked = nullptr;
  LongRequest request([&](std::size_t pass, std::size_t keys) {
    keys_of_passes.push_back(keys);
    if (pass != 0) return;
    short_one = std::thread([&] {
      EXPECT_TRUE(
          asked->service().answer(QueryKind::row, {CurrentEpoch{}, {asked->request.keys.front()}}));
    });
    while (asked->service().waiting() == 0) std::this_thread::yield();
  });
  asked = &request;
  const auto answered = request.answer();
  short_one.join();
  ASSERT_TRUE(answered);
  const std::size_t full = request.service().limits().max_pass_queries;
  EXPECT_EQ(keys_of_passes, (std::vector<std::size_t>{full, full, 2}));
  // One key, one answer: in whatever pass.
  const auto& answers = answered->response.answers;
  ASSERT_EQ(answers.size(), request.request.keys.size() * geometry.row_bytes);
  for (std::size_t at = geometry.row_bytes; at < answers.size(); ++at) {
    EXPECT_EQ(answers[at], answers[at - geometry.row_bytes]);
  }
}

TEST(QueryService, AllPassesOfARequestAreFromOneEpoch) {
  LongRequest* asked = nullptr;
  LongRequest request([&](std::size_t pass, std::size_t) {
    if (pass == 0) asked->parties.publish_table(1);
  });
  asked = &request;
  const EpochId before = request.parties.epochs.lease(CurrentEpoch{})->epoch().id;
  const auto answered = request.answer();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->response.epoch, before);
  const auto& answers = answered->response.answers;
  EXPECT_TRUE(std::equal(answers.begin(), answers.begin() + geometry.row_bytes,
                         answers.end() - geometry.row_bytes));
}

TEST(QueryService, ARequestThatTakesTooLongEndsBetweenPasses) {
  QueryLimits limits = LongRequest::short_passes();
  limits.request_time = std::chrono::milliseconds(20);
  std::size_t passes = 0;
  LongRequest request(
      [&](std::size_t, std::size_t) {
        ++passes;
        std::this_thread::sleep_for(limits.request_time);
      },
      limits);
  EXPECT_EQ(code_of(request.answer()), ErrorCode::queue_full);
  EXPECT_EQ(passes, 1U);
  EXPECT_EQ(request.service().answer_memory_left(), limits.answer_memory_bytes);
}

TEST(QueryService, AStopEndsARequestBetweenPasses) {
  std::size_t passes = 0;
  LongRequest* asked = nullptr;
  LongRequest request([&](std::size_t, std::size_t) {
    ++passes;
    asked->service().stop();
  });
  asked = &request;
  EXPECT_EQ(code_of(request.answer()), ErrorCode::draining);
  EXPECT_EQ(passes, 1U);
  EXPECT_EQ(code_of(request.answer()), ErrorCode::draining);
}

}  // namespace
}  // namespace gyre::server
