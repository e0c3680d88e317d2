// The checker against histories made by hand: a good one, and for every invariant one that breaks
// it.
#include "fault_injection/checker.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/crypto/sha256.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/written_epochs.hpp"

namespace gyre::fault_injection {
namespace {

constexpr Geometry geometry{16, 4, 4};

Span at(int begin, int end) {
  const Clock::time_point zero{};
  return {zero + std::chrono::milliseconds(begin), zero + std::chrono::milliseconds(end)};
}

// Base A from the start, batch 1 at 10 to 12, base B from 20 to 24 with the batch on top.
class CheckerTest : public testing::Test {
 protected:
  CheckerTest() {
    batch_.seq = 1;
    batch_.tables = {table_update(1, geometry.row_bytes, {{3, 77}, {5, 78}})};
    std::sort(batch_.tables.begin(), batch_.tables.end(),
              [](const auto& a, const auto& b) { return a.table < b.table; });
    a_ = base_of(1, 0, geometry, rows(1));
    b_ = base_of(1, 0, geometry, rows(2));
    contents_.add_base(a_.content_id, a_.metadata, rows(1));
    contents_.add_base(b_.content_id, b_.metadata, rows(2));
    contents_.add_batch(batch_);
    a0_ = EpochId::of_base(a_.content_id, 0);
    a1_ = a0_.after(1, binary_form(batch_), crypto::sha256);
    b1_ = EpochId::of_base(b_.content_id, 0).after(1, binary_form(batch_), crypto::sha256);

    history_.replay = "run it again";
    look(at(0, 1), {{a0_, 1}});
    change(Change::Kind::batch, at(10, 12), a1_, 2).seq = 1;
    look(at(13, 14), {{a1_, 2}, {a0_, 1}});
    change(Change::Kind::rotation, at(20, 24), b1_, 3);
    look(at(30, 31), {{b1_, 3}, {a1_, 2}, {a0_, 1}});
    request(at(2, 3), CurrentEpoch{}, a0_, 1);
    request(at(9, 11), CurrentEpoch{}, a1_, 2);
    request(at(15, 16), a0_, a0_, 1);
    request(at(19, 22), CurrentEpoch{}, b1_, 3);
    request(at(40, 41), a1_, a1_, 2);
  }

  // Rows that tell which base they are of.
  static Rows rows(std::uint8_t base) {
    Rows bytes(geometry.bytes());
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(base * 97 + i);
    return bytes;
  }

  Look& look(Span time, const std::vector<std::pair<EpochId, std::uint64_t>>& held,
             unsigned server = 0) {
    Look look;
    look.server = server;
    look.time = time;
    for (const auto& [id, generation] : held) {
      const Content& content = *contents_.find(id);
      look.held.push_back(
          {id, generation, content.content_id, content.metadata, crypto::sha256(content.rows)});
    }
    return history_.looks.emplace_back(std::move(look));
  }
  Change& change(Change::Kind kind, Span time, std::optional<EpochId> epoch,
                 std::uint64_t generation) {
    Change change;
    change.kind = kind;
    change.time = time;
    change.epoch = epoch;
    change.generation = generation;
    return history_.changes.emplace_back(std::move(change));
  }
  Request& request(Span time, const EpochChoice& asked, const EpochId& from,
                   std::uint64_t generation, QueryKind kind = QueryKind::row) {
    Request request;
    request.client = 7;
    request.time = time;
    request.asked = asked;
    request.kind = kind;
    request.epoch = from;
    request.generation = generation;
    const Content& content = *contents_.find(from);
    for (const std::uint64_t index : {3U, 1U}) {
      request.keys.push_back(make_keys(geometry.records(kind), index, random_)[0]);
      append(request.answers, content.answer(kind, request.keys.back()));
    }
    return history_.requests.emplace_back(std::move(request));
  }
  // Answer i of the request, as that epoch would have given it.
  void answer_from(Request& request, std::size_t i, const EpochId& from) const {
    const auto answer = contents_.find(from)->answer(request.kind, request.keys[i]);
    std::copy(answer.begin(), answer.end(),
              request.answers.begin() + static_cast<std::ptrdiff_t>(i * answer.size()));
  }
  void fail_request(Request& request, ErrorCode code) { request.error = code; }

  [[nodiscard]] Verdict verdict() const { return check(history_, contents_); }
  // That nothing but this is found.
  void expect_found(Invariant invariant) const {
    const Verdict found = verdict();
    ASSERT_FALSE(found.good());
    for (const Violation& violation : found.violations) {
      EXPECT_EQ(violation.invariant, invariant) << found.text();
      EXPECT_FALSE(violation.events.empty()) << found.text();
    }
    EXPECT_NE(found.text().find(name(invariant)), std::string::npos);
    EXPECT_NE(found.text().find("again: run it again"), std::string::npos);
  }

  static void append(std::vector<std::byte>& to, const std::vector<std::byte>& more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  SeededRandom random_{1};
  Contents contents_{crypto::sha256};
  UpdateBatch batch_;
  EpochWriter::Base a_;
  EpochWriter::Base b_;
  EpochId a0_;
  EpochId a1_;
  EpochId b1_;
  History history_;
};

TEST_F(CheckerTest, AGoodHistoryIsGood) {
  request(at(50, 51), CurrentEpoch{}, b1_, 3, QueryKind::page);
  fail_request(request(at(60, 61), EpochId{}, a0_, 1), ErrorCode::epoch_gone);
  history_.decoded.push_back({at(52, 53), b1_, QueryKind::row, 3, Rows(4, std::byte{77})});
  EXPECT_TRUE(verdict().good()) << verdict().text();
  EXPECT_EQ(verdict().text(), "");
}

TEST_F(CheckerTest, I1AnAnswerWithAChangedBit) {
  history_.requests[1].answers[0] ^= std::byte{1};
  expect_found(Invariant::integrity);
}

TEST_F(CheckerTest, I1AnswersOfAnotherEpochThanTheLabelSays) {
  Request& request = history_.requests[3];
  answer_from(request, 0, a1_);
  answer_from(request, 1, a1_);
  expect_found(Invariant::integrity);
  // It says which one.
  EXPECT_NE(verdict().text().find(a1_.text()), std::string::npos) << verdict().text();
}

TEST_F(CheckerTest, I1ANameThatNothingLeadsTo) {
  history_.requests[3].epoch.chain[0] ^= std::byte{1};
  const Verdict found = verdict();
  ASSERT_EQ(found.violations.size(), 2U) << found.text();  // nothing made it current either
  EXPECT_EQ(found.violations[0].invariant, Invariant::integrity);
  EXPECT_EQ(found.violations[1].invariant, Invariant::membership);
}

TEST_F(CheckerTest, I2ARequestSplitOverTwoEpochs) {
  answer_from(history_.requests[3], 1, a1_);
  expect_found(Invariant::one_epoch);
  EXPECT_NE(verdict().text().find(a1_.text()), std::string::npos) << verdict().text();
}

TEST_F(CheckerTest, I2AnotherEpochThanTheOneAskedFor) {
  history_.requests[2].asked = a1_;
  expect_found(Invariant::one_epoch);
}

TEST_F(CheckerTest, I3AnEpochBeforeItWasMade) {
  // By a client that sees nothing older afterwards.
  request(at(2, 3), b1_, b1_, 3).client = 8;
  expect_found(Invariant::membership);
}

TEST_F(CheckerTest, I3AnEpochAfterItWasLetGo) {
  look(at(50, 51), {{b1_, 3}});
  request(at(52, 53), a1_, a1_, 2);
  expect_found(Invariant::membership);
}

TEST_F(CheckerTest, I4AClientIsTakenBack) {
  // While nobody was told of base B, seeing it obliges all the same.
  history_.changes[1].time = at(20, 60);
  history_.looks.pop_back();
  request(at(30, 31), CurrentEpoch{}, b1_, 3);
  request(at(32, 33), CurrentEpoch{}, a1_, 2);
  expect_found(Invariant::monotonic);
}

TEST_F(CheckerTest, I4OlderThanWhatWasAcknowledged) {
  request(at(60, 61), CurrentEpoch{}, a1_, 2).client = 8;
  expect_found(Invariant::monotonic);
}

TEST_F(CheckerTest, I5AFailedChangeThatLeftAnEpoch) {
  history_.changes[1].error = ErrorCode::out_of_memory;
  history_.changes[1].epoch.reset();
  history_.requests.erase(history_.requests.begin() + 3);
  expect_found(Invariant::all_or_nothing);
}

TEST_F(CheckerTest, I5AFailedChangeThatLeftOtherRowsUnderTheSameName) {
  change(Change::Kind::compaction, at(32, 33), std::nullopt, 0).error = ErrorCode::out_of_memory;
  look(at(34, 35), {{b1_, 3}, {a1_, 2}, {a0_, 1}}).held[0].rows_digest->at(0) ^= std::byte{1};
  const Verdict found = verdict();
  ASSERT_EQ(found.violations.size(), 2U) << found.text();
  EXPECT_EQ(found.violations[0].invariant, Invariant::integrity);
  EXPECT_EQ(found.violations[1].invariant, Invariant::all_or_nothing);
}

TEST_F(CheckerTest, I5TheNextCleanChangeFails) {
  Change& clean = change(Change::Kind::rotation, at(50, 51), std::nullopt, 0);
  clean.must_succeed = true;
  clean.error = ErrorCode::rotation_in_progress;
  expect_found(Invariant::all_or_nothing);
}

TEST_F(CheckerTest, I6AnAcknowledgedBatchIsGone) {
  const EpochId b0 = EpochId::of_base(b_.content_id, 0);
  look(at(50, 51), {{b0, 4}});
  change(Change::Kind::rotation, at(40, 44), b0, 4);
  history_.requests.pop_back();
  expect_found(Invariant::nothing_lost);
  // Unless it was reported.
  history_.changes.back().discarded = 1;
  EXPECT_TRUE(verdict().good()) << verdict().text();
}

TEST_F(CheckerTest, I6OneNumberForTwoBatches) {
  UpdateBatch other = batch_;
  other.tables[0].data[0] ^= std::byte{1};
  contents_.add_batch(other);
  const EpochId again =
      EpochId::of_base(b_.content_id, 0).after(1, binary_form(other), crypto::sha256);
  change(Change::Kind::batch, at(50, 51), again, 4).seq = 1;
  expect_found(Invariant::nothing_lost);
}

TEST_F(CheckerTest, I7MemoryThatDoesNotComeBack) {
  for (Look& look : history_.looks) look.baseline = "after everything";
  history_.looks[0].memory = history_.looks[1].memory = {{"host", 100}, {"device", 40}};
  history_.looks[2].memory = {{"host", 100}, {"device", 44}};
  expect_found(Invariant::no_leak);
}

TEST_F(CheckerTest, I8ARequestThatNoFaultHadTouchedFails) {
  fail_request(history_.requests[1], ErrorCode::internal);
  expect_found(Invariant::alive);
  // A fault elsewhere, or at another time, or of another kind is no excuse.
  const Clock::time_point during = at(10, 10).begin;
  const Term fails{.action = FaultAction::fail, .code = ErrorCode::internal};
  history_.firings = {{FaultPoint::device_upload, 1, fails, during},
                      {FaultPoint::query_scan, 1, fails, at(60, 60).begin},
                      {FaultPoint::query_scan, 1, {.action = FaultAction::delay}, during}};
  expect_found(Invariant::alive);
  history_.firings.push_back({FaultPoint::query_scan, 1, fails, during});
  EXPECT_TRUE(verdict().good()) << verdict().text();
}

TEST_F(CheckerTest, I8AConnectionThatNoFaultHadTouchedEnds) {
  fail_request(history_.requests[1], ErrorCode::io_failed);
  expect_found(Invariant::alive);
  const Clock::time_point during = at(10, 10).begin;
  const Term fails{.action = FaultAction::fail, .code = ErrorCode::out_of_memory};
  history_.firings = {{FaultPoint::http_accept, 1, fails, at(60, 60).begin},
                      {FaultPoint::http_accept, 1, {.action = FaultAction::delay}, during}};
  expect_found(Invariant::alive);
  history_.firings.push_back({FaultPoint::http_accept, 1, fails, during});
  EXPECT_TRUE(verdict().good()) << verdict().text();
  // It ends one connection, not two.
  fail_request(history_.requests[1], ErrorCode::io_failed);
  history_.requests.push_back(history_.requests[1]);
  expect_found(Invariant::alive);
  history_.firings.push_back({FaultPoint::http_send, 1, fails, during});
  EXPECT_TRUE(verdict().good()) << verdict().text();
  // And it is not what the server answers.
  history_.requests[1].error = ErrorCode::out_of_memory;
  expect_found(Invariant::alive);
}

// Two requests and two faults: the first fault may have ended either, the second one only the
// other.
TEST_F(CheckerTest, I8EachConnectionThatEndedFindsAFaultIfThereAreAsMany) {
  const Request fitting = history_.requests[1];
  const auto ended = [&](Span time) {
    Request request = fitting;
    request.time = time;
    fail_request(request, ErrorCode::io_failed);
    return request;
  };
  const Term fails{.action = FaultAction::fail, .code = ErrorCode::io_failed};
  // In neither order of requests and faults does taking the first that fits do.
  history_.requests = {ended(at(10, 20)), ended(at(10, 14))};
  history_.firings = {{FaultPoint::http_send, 1, fails, at(12, 12).begin},
                      {FaultPoint::http_send, 2, fails, at(18, 18).begin}};
  EXPECT_TRUE(verdict().good()) << verdict().text();
  std::swap(history_.firings[0], history_.firings[1]);
  EXPECT_TRUE(verdict().good()) << verdict().text();
  history_.requests = {ended(at(12, 20)), ended(at(10, 21))};
  history_.firings = {{FaultPoint::http_send, 1, fails, at(13, 13).begin},
                      {FaultPoint::http_send, 2, fails, at(11, 11).begin}};
  EXPECT_TRUE(verdict().good()) << verdict().text();
  history_.firings.pop_back();
  expect_found(Invariant::alive);
}

TEST_F(CheckerTest, I8ARequestThatIsNeverAnswered) {
  history_.requests[1].time.end.reset();
  expect_found(Invariant::alive);
}

TEST_F(CheckerTest, I8GoneThoughItWasThereAllTheTime) {
  fail_request(request(at(15, 16), a0_, a0_, 1), ErrorCode::epoch_gone);
  expect_found(Invariant::alive);
}

TEST_F(CheckerTest, I10MetadataOfTheEpochBefore) {
  history_.looks[2].held[0].metadata.block_number = 5;
  const Verdict found = verdict();
  ASSERT_FALSE(found.good());
  EXPECT_EQ(found.violations[0].invariant, Invariant::metadata) << found.text();
}

TEST_F(CheckerTest, I10AnswersOfAnotherLength) {
  history_.requests[1].answers.push_back(std::byte{0});
  expect_found(Invariant::metadata);
}

TEST_F(CheckerTest, I11OneNameForTwoContents) {
  look(at(30, 31), {{b1_, 1}}, /*server=*/1).held[0].rows_digest->at(0) ^= std::byte{1};
  expect_found(Invariant::two_parties);
}

TEST_F(CheckerTest, I11ADecodedRecordThatIsNotTheEpochs) {
  history_.decoded.push_back({at(52, 53), b1_, QueryKind::row, 3, Rows(4, std::byte{76})});
  expect_found(Invariant::two_parties);
}

}  // namespace
}  // namespace gyre::fault_injection
