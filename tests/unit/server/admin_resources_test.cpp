#include "harness/server/admin_resources.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "harness/protocol/epoch_document.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {
namespace {

using nlohmann::json;
using protocol::Encoding;

class AdminResourcesTest : public RotationTest {
 protected:
  std::string body(const protocol::SnapshotRequest& request) {
    return protocol::encode_snapshot_request(request);
  }
  json post(const TestSnapshot& snapshot) {
    snapshot.publish_at(origin_);
    auto answer = resources_.post_snapshot(body(snapshot.by_manifest()), "");
    if (!answer) throw std::runtime_error(answer.error().message);
    EXPECT_EQ(answer->status, 200);
    return json::parse(answer->body);
  }

  Compactor compactor_{writer_, std::chrono::hours(1)};
  AdminResources resources_{service_, writer_, epochs_, compactor_, metrics_};
};

TEST_F(AdminResourcesTest, ASnapshotIsAnsweredWithTheNewEpoch) {
  const TestSnapshot snapshot(0);
  const json answer = post(snapshot);
  EXPECT_EQ(answer["id"], snapshot.id().text());
  EXPECT_EQ(answer["state"], "published");
  EXPECT_EQ(answer["phases"].size(), protocol::rotation_phases);
  EXPECT_EQ(answer["replayed"], 0);
  EXPECT_EQ(answer["discarded"], 0);
  const auto rotation = resources_.get_rotation(answer["rotation"].get<std::string>());
  ASSERT_TRUE(rotation);
  EXPECT_EQ(json::parse(rotation->body)["epoch"]["id"], snapshot.id().text());
}

TEST_F(AdminResourcesTest, AnEqualSnapshotIsAnsweredAsUnchanged) {
  const json first = post(TestSnapshot(0));
  const json second = post(TestSnapshot(0));
  EXPECT_EQ(second["state"], "unchanged");
  EXPECT_EQ(second["generation"], first["generation"]);
}

TEST_F(AdminResourcesTest, AFailedRotationIsItsError) {
  const auto answer = resources_.post_snapshot(body(TestSnapshot(0).raw()), "");
  EXPECT_EQ(code_of(answer), ErrorCode::not_found);
  const json list = json::parse(resources_.get_rotations()->body);
  ASSERT_EQ(list["rotations"].size(), 1U);
  EXPECT_EQ(list["rotations"][0]["state"], "failed");
  EXPECT_EQ(list["rotations"][0]["error"]["code"], "not_found");
}

TEST_F(AdminResourcesTest, WhatIsNoRequestBeginsNothing) {
  EXPECT_EQ(code_of(resources_.post_snapshot("{}", "")), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(resources_.post_rollback("{}")), ErrorCode::malformed_request);
  EXPECT_EQ(code_of(resources_.post_updates("{}", Encoding::json)), ErrorCode::malformed_request);
  EXPECT_TRUE(service_.list().empty());
}

TEST_F(AdminResourcesTest, WhoeverWantsNoWaitIsToldWhereToLook) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_open.close();
  const auto answer = resources_.post_snapshot(body(snapshot.raw()), "respond-async");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 202);
  const json document = json::parse(answer->body);
  EXPECT_EQ(document["state"], "running");
  EXPECT_EQ(answer->location, "/admin/rotations/" + document["id"].get<std::string>());
  origin_.at_open.open();
  const auto rotation = service_.find(document["id"].get<std::string>());
  ASSERT_TRUE(rotation);
  (*rotation)->wait();
  EXPECT_EQ(current(), snapshot.id());
}

TEST(PrefersAsync, ReadsTheHeader) {
  for (const char* text : {"respond-async", "Respond-Async", "wait=10, respond-async",
                           " respond-async ; foo=bar", "a,respond-async,b"}) {
    EXPECT_TRUE(prefers_async(text)) << text;
  }
  for (const char* text : {"", "respond", "respond-asynchronously", "x=respond-async", ","}) {
    EXPECT_FALSE(prefers_async(text)) << text;
  }
}

TEST_F(AdminResourcesTest, DeletingARotationCancelsIt) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(origin_);
  origin_.at_second_read.close();
  std::jthread waiting([&] {
    EXPECT_EQ(code_of(resources_.post_snapshot(body(snapshot.raw()), "")), ErrorCode::cancelled);
  });
  origin_.at_second_read.wait_for_arrival();
  const std::string id = service_.list().front()->id();
  const auto answer = resources_.delete_rotation(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(json::parse(answer->body)["state"], "cancelled");
  EXPECT_EQ(code_of(resources_.delete_rotation("nobody")), ErrorCode::not_found);
  EXPECT_EQ(code_of(resources_.get_rotation("nobody")), ErrorCode::not_found);
}

TEST_F(AdminResourcesTest, DeletingAPublishedRotationSaysThatItIsPublished) {
  const json posted = post(TestSnapshot(0));
  const auto answer = resources_.delete_rotation(posted["rotation"].get<std::string>());
  ASSERT_TRUE(answer);
  EXPECT_EQ(json::parse(answer->body)["state"], "published");
  EXPECT_EQ(current(), TestSnapshot(0).id());
}

TEST_F(AdminResourcesTest, ABatchIsAnsweredInBothEncodingsAndWhenSentAgain) {
  post(TestSnapshot(0));
  for (const Encoding encoding : {Encoding::json, Encoding::binary}) {
    const std::uint64_t seq = current().seq + 1;
    const std::string batch = protocol::encode(test_batch(seq, {0}), encoding);
    for (const bool resent : {false, true}) {
      const auto answer = resources_.post_updates(batch, encoding);
      ASSERT_TRUE(answer) << answer.error().message;
      const auto reply = protocol::decode_update_reply(answer->body);
      ASSERT_TRUE(reply);
      EXPECT_EQ(reply->seq, seq);
      EXPECT_EQ(reply->epoch, current());
      EXPECT_EQ(reply->rows, 1U);
      EXPECT_EQ(reply->resent, resent);
    }
  }
  EXPECT_EQ(code_of(resources_.post_updates(protocol::encode(test_batch(9, {0}), Encoding::json),
                                            Encoding::json)),
            ErrorCode::sequence_gap);
}

TEST_F(AdminResourcesTest, ARollbackIsAnsweredWithTheEpoch) {
  post(TestSnapshot(0));
  ASSERT_TRUE(writer_.apply(test_batch(1, {0})));
  const std::string id = TestSnapshot(0).id().text();
  EXPECT_EQ(code_of(resources_.post_rollback(json{{"epoch", id}}.dump())),
            ErrorCode::updates_would_be_lost);
  const auto answer =
      resources_.post_rollback(json{{"epoch", id}, {"discard_updates", true}}.dump());
  ASSERT_TRUE(answer) << answer.error().message;
  const json object = json::parse(answer->body);
  EXPECT_EQ(object["id"], id);
  EXPECT_EQ(object["discarded"], 1);
  EXPECT_EQ(object["generation"], epochs_.boot() + ":3");
}

class CompactorTest : public RotationTest {
 protected:
  CompactorTest() : RotationTest(0, quick_limits(), long_at_two_rows()) {
    install(TestSnapshot(0));
  }
  static WriterLimits long_at_two_rows() {
    WriterLimits limits;
    limits.compact_at_rows = 2;
    return limits;
  }

  Compactor compactor_{writer_, std::chrono::hours(1)};
};

TEST_F(CompactorTest, FoldsALongOverlayWhenItIsNudged) {
  ASSERT_TRUE(writer_.apply(test_batch(1, {0}, 5)));
  ASSERT_TRUE(writer_.apply(test_batch(2, {0}, 6)));
  const EpochId id = current();
  compactor_.nudge();
  compactor_.wait_for(1);
  EXPECT_EQ(compactor_.counts().done, 1U);
  EXPECT_EQ(writer_.overlay_rows(), 0U);
  EXPECT_EQ(current(), id);
  EXPECT_EQ(current_row(6), std::vector<std::byte>(1'000, std::byte{2}));
}

}  // namespace
}  // namespace gyre::server
