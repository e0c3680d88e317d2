#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "backends/reference/reference_backend.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/scenario/query_load.hpp"
#include "harness/scenario/throughput_run.hpp"
#include "harness/server/server.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::scenario {
namespace {

constexpr Geometry geometry{600, 12, 4};

// A server of a small table, and queries for some of its rows with their answers.
class QueryLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    server::ServerConfiguration configuration;
    configuration.listen = {"127.0.0.1", 0};
    auto started = server::Server::start(configuration);
    ASSERT_TRUE(started);
    server_ = std::move(*started);
    const auto image = test_image(backend_, 0, geometry);
    publish(server_->epochs(), test_epoch(0, image));
    const Overlay none;
    for (std::uint64_t row = 0; row < 5; ++row) {
      const dpf::Key key = make_keys(geometry.rows, row * 31, random_)[0];
      const Query query{.kind = QueryKind::row, .key = &key, .overlay = &none};
      std::string answer(geometry.row_bytes, '\0');
      ASSERT_TRUE(image->answer({{&query, 1}}, std::as_writable_bytes(std::span(answer))));
      const std::string body = protocol::encode(protocol::QueryRequest{CurrentEpoch{}, {key}},
                                                protocol::Encoding::binary);
      queries_.push_back(
          {"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
           "application/octet-stream\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body,
           answer});
    }
  }
  [[nodiscard]] QueryLoadPlan plan() const {
    QueryLoadPlan plan;
    plan.ip = server_->address().host;
    plan.port = server_->address().port;
    plan.clients = 12;
    plan.warm_up = 0.02;
    plan.seconds = 0.2;
    plan.queries = queries_;
    return plan;
  }

  ReferenceBackend backend_;
  std::unique_ptr<server::Server> server_;
  SeededRandom random_{3};
  std::vector<PreparedQuery> queries_;
};

TEST_F(QueryLoadTest, EveryClientIsAnsweredAgainAndAgain) {
  double passes = 0;
  QueryLoadPlan load = plan();
  load.ended = [&] { passes = server_->queries().passes().passes; };
  const auto figures = run_query_load(load);
  ASSERT_TRUE(figures);
  EXPECT_GT(figures->answered, 0U);
  EXPECT_FALSE(figures->latencies.empty());
  EXPECT_EQ(figures->wrong, 0U);
  EXPECT_EQ(figures->refused, 0U);
  EXPECT_GT(passes, 0.0);
  EXPECT_EQ(server_->listener().http().statistics().accepted, 12U) << "connections stay open";
}

TEST_F(QueryLoadTest, QueriesThatArriveByThemselvesAreAllAnswered) {
  QueryLoadPlan load = plan();
  load.per_second = 200;
  load.seconds = 0.5;
  const auto figures = run_query_load(load);
  ASSERT_TRUE(figures);
  // A Poisson count of mean 100: within 8 standard deviations, and the same for the same seed.
  EXPECT_GT(figures->latencies.size(), 20U);
  EXPECT_LT(figures->latencies.size(), 180U);
  const auto again = run_query_load(load);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->latencies.size(), figures->latencies.size());
}

TEST_F(QueryLoadTest, AWrongAnswerIsSeen) {
  queries_[2].answer[7] ^= 1;
  const auto figures = run_query_load(plan());
  ASSERT_TRUE(figures);
  EXPECT_GT(figures->wrong, 0U);
  EXPECT_LT(figures->wrong, figures->answered);
}

TEST_F(QueryLoadTest, ARefusalIsSeen) {
  queries_[1].request.replace(queries_[1].request.find("GYQ1"), 4, "nope");
  const auto figures = run_query_load(plan());
  ASSERT_TRUE(figures);
  EXPECT_GT(figures->refused, 0U);
  EXPECT_EQ(figures->first_refusal, 400);
}

TEST_F(QueryLoadTest, AServerThatIsNotThereIsAnError) {
  const QueryLoadPlan load = plan();
  server_.reset();
  EXPECT_EQ(code_of(run_query_load(load)), ErrorCode::unreachable);
}

ThroughputPoint point(unsigned clients, double per_second, double p50, double p99, double pass) {
  ThroughputPoint made;
  made.clients = clients;
  made.per_second = per_second;
  made.latency = {100, p50, p50, p99, p99};
  made.loaded_pass_seconds = pass;
  return made;
}

TEST(ThroughputFigures, GainKneeAndTailAreOfTheClosedLoad) {
  ThroughputFigures figures;
  EXPECT_EQ(figures.gain(), 0);
  EXPECT_EQ(figures.knee(), 0U);
  figures.closed = {point(1, 10, 0.1, 0.2, 0.1), point(8, 60, 0.13, 0.2, 0.1),
                    point(64, 80, 0.8, 1.2, 0.4)};
  figures.open = {point(1, 7, 0.1, 0.2, 0.1)};
  EXPECT_DOUBLE_EQ(figures.gain(), 8);
  EXPECT_DOUBLE_EQ(figures.p99_in_passes(), 3);
  EXPECT_EQ(figures.knee(), 8U);
  EXPECT_TRUE(figures.all_right());
  figures.open.front().refused = 1;
  EXPECT_FALSE(figures.all_right());
  figures.open.front().refused = 0;
  figures.closed.back().wrong = 1;
  EXPECT_FALSE(figures.all_right());
  figures.closed.back().wrong = 0;
  figures.open_whole = {point(1, 7, 0.1, 0.2, 0.1)};
  EXPECT_TRUE(figures.all_right());
  figures.open_whole.front().wrong = 1;
  EXPECT_FALSE(figures.all_right());

  ThroughputPlan plan;
  EXPECT_TRUE(to_json(plan, figures)["meets_what_is_asked"].get<bool>());
  plan.min_gain = 8.5;
  EXPECT_FALSE(to_json(plan, figures)["meets_what_is_asked"].get<bool>());
  plan.min_gain = 7.5;
  plan.max_p99_passes = 2.5;
  EXPECT_FALSE(to_json(plan, figures)["meets_what_is_asked"].get<bool>());
}

TEST(Throughput, EachLoadIsPutOnPassesInPartsAndOnWholeOnesIfThePlanSaysSo) {
  ThroughputPlan plan;
  plan.table_bytes = 1U << 20U;
  plan.clients = {2};
  plan.seconds = 1;
  plan.whole_passes_too = true;
  plan.threads = 2;
  plan.pass_parts = 3;
  plan.least_part_bytes = 1;
  const auto figures = run_throughput(plan, 5, [](const auto&, auto, auto) {});
  ASSERT_TRUE(figures);
  EXPECT_TRUE(figures->all_right());
  EXPECT_EQ(figures->pass_parts, 3U);
  ASSERT_EQ(figures->open.size(), 1U);
  ASSERT_EQ(figures->closed_whole.size(), 1U);
  ASSERT_EQ(figures->open_whole.size(), 1U);
  EXPECT_EQ(figures->open[0].offered, figures->open_whole[0].offered) << "the same arrivals";
  EXPECT_EQ(to_json(plan, *figures)["closed_whole_passes"].size(), 1U);
}

}  // namespace
}  // namespace gyre::scenario
