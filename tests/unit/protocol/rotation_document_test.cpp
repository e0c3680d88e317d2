#include "harness/protocol/rotation_document.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

RotationDocument example() {
  RotationDocument rotation;
  rotation.id = "01234567-3";
  rotation.state = RotationState::published;
  rotation.phase = RotationPhase::retire;
  rotation.started_at = "2026-11-23T07:31:18.042Z";
  rotation.bytes = 4068;
  rotation.total_bytes = 4068;
  rotation.bytes_per_second = 1.5e9;
  rotation.phases = {{RotationPhase::lock, 0.25}, {RotationPhase::open, 1}};
  const Metadata metadata = example_metadata();
  const auto base = counting_bytes<Bytes32>();
  rotation.epoch = EpochEntry{EpochId::of_base(base, metadata.as_of_seq),
                              "0123456789abcdef:4",
                              "2026-11-23T07:31:19.042Z",
                              base,
                              metadata,
                              {"cpu"}};
  rotation.replayed = 3;
  rotation.discarded = 2;
  return rotation;
}

RotationDocument failed_example() {
  RotationDocument rotation = example();
  rotation.state = RotationState::failed;
  rotation.phase = RotationPhase::stream;
  rotation.total_bytes.reset();
  rotation.epoch.reset();
  rotation.error = {"source_failed", "the origin closed the connection"};
  return rotation;
}

TEST(RotationDocument, IsReadAsItWasWritten) {
  RotationDocument fresh;
  fresh.id = "a-1";
  fresh.started_at = "now";
  for (const RotationDocument& rotation : {example(), failed_example(), fresh}) {
    const auto read = decode_rotation(encode_rotation(rotation));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, rotation);
  }
}

TEST(RotationDocument, EveryMemberIsNeededAndNoOther) {
  const json whole = json::parse(encode_rotation(failed_example()));
  for (const auto& item : whole.items()) {
    json object = whole;
    object.erase(item.key());
    EXPECT_EQ(code_of(decode_rotation(object.dump())), ErrorCode::bad_answer) << item.key();
  }
  json more = whole;
  more["more"] = 1;
  EXPECT_EQ(code_of(decode_rotation(more.dump())), ErrorCode::bad_answer);
}

TEST(RotationDocument, ValuesOfAnotherFormAreRefused) {
  const std::vector<std::pair<const char*, json>> changes = {{"state", "done"},
                                                             {"phase", 3},
                                                             {"id", "a b"},
                                                             {"bytes", -1},
                                                             {"bytes_per_second", ""},
                                                             {"phases", 1},
                                                             {"error", "failed"},
                                                             {"epoch", json::object()},
                                                             {"total_bytes", "many"},
                                                             {"replayed", nullptr}};
  for (const auto& [member, value] : changes) {
    json object = json::parse(encode_rotation(example()));
    object[member] = value;
    EXPECT_EQ(code_of(decode_rotation(object.dump())), ErrorCode::bad_answer) << member;
  }
  EXPECT_EQ(code_of(decode_rotation("")), ErrorCode::bad_answer);
  EXPECT_EQ(code_of(decode_rotation("[]")), ErrorCode::bad_answer);
}

TEST(RotationDocument, ADetailCannotDriveATerminal) {
  RotationDocument rotation = failed_example();
  rotation.error->detail = "gone\033[2J\n";
  const auto read = decode_rotation(encode_rotation(rotation));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->error->detail, "gone?[2J?");
}

TEST(RotationDocument, TheAnswerIsTheEpochAndWhatItTook) {
  const json answer = json::parse(encode_rotation_answer(example()));
  const json epoch = epoch_entry_to_json(*example().epoch);
  for (const auto& [member, value] : epoch.items()) EXPECT_EQ(answer[member], value) << member;
  EXPECT_EQ(answer["rotation"], "01234567-3");
  EXPECT_EQ(answer["state"], "published");
  EXPECT_EQ(answer["phases"][1], (json{{"phase", "open"}, {"seconds", 1.0}}));
  EXPECT_EQ(answer["replayed"], 3);
  EXPECT_EQ(answer["discarded"], 2);
  EXPECT_EQ(answer.size(), epoch.size() + 5);
}

TEST(RotationDocument, AListKeepsItsOrder) {
  const json list = json::parse(encode_rotations({failed_example(), example()}));
  ASSERT_EQ(list["rotations"].size(), 2U);
  EXPECT_EQ(list["rotations"][0]["state"], "failed");
  EXPECT_EQ(list["rotations"][1]["state"], "published");
}

}  // namespace
}  // namespace gyre::protocol
