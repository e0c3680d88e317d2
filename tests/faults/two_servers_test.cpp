// Two servers that are apart, one of which may lie, and a client that reads from both.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/client/pir_client.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/server/epoch_entry.hpp"
#include "tests/faults/sequence.hpp"
#include "tests/support/generators.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Contents;

// A server in this process, as its client sees it; it may lie.
class WorldTransport final : public client::Transport {
 public:
  enum class Lie : std::uint8_t { none, rows, metadata, residency };
  // Outlives the transport.
  struct Wire {
    Lie lie = Lie::none;
    std::vector<std::string> requests;  // as they came: method, path, bytes of the body
    std::size_t queries = 0;
  };

  WorldTransport(World& world, unsigned party, Wire& wire)
      : world_(world), party_(party), wire_(wire), name_("world-" + std::to_string(party)) {}

  [[nodiscard]] const std::string& server() const noexcept override { return name_; }

  [[nodiscard]] Result<client::TransportResponse> get(std::string_view path, std::size_t) override {
    wire_.requests.push_back("GET " + std::string(path));
    auto document = server::describe(world_.epochs(), static_cast<std::uint8_t>(party_));
    if (!document) return refusal(document.error());
    if (wire_.lie == Lie::metadata) {
      document->current.metadata.block_number = 7;
      for (auto& entry : document->retained) entry.metadata.block_number = 7;
    }
    if (wire_.lie == Lie::residency) {
      document->current.resident.push_back("elsewhere");
      document->current.published_at = "2001-01-01T00:00:00Z";
    }
    return success("application/json", protocol::encode_epoch_document(*document));
  }

  [[nodiscard]] Result<client::TransportResponse> post(std::string_view path, std::string_view,
                                                       std::span<const std::byte> body,
                                                       std::size_t) override {
    const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
    wire_.requests.push_back("POST " + std::string(path) + " " + std::to_string(body.size()));
    ++wire_.queries;
    auto request = protocol::decode_query_request(text, protocol::Encoding::binary, 100);
    if (!request) return refusal(request.error());
    auto answered = world_.answer(path == "/query" ? QueryKind::row : QueryKind::page, *request);
    if (!answered) return refusal(answered.error());
    if (wire_.lie == Lie::rows) {
      for (std::size_t i = 0; i < answered->answers.size(); i += 3) {
        answered->answers[i] ^= std::byte{0x55};
      }
    }
    return success("application/octet-stream",
                   protocol::encode(*answered, protocol::Encoding::binary));
  }

 private:
  static client::TransportResponse success(std::string type, const std::string& body) {
    const auto bytes = as_bytes(body);
    return {200, std::move(type), {bytes.begin(), bytes.end()}};
  }
  static client::TransportResponse refusal(const Error& error) {
    const std::string body = protocol::encode_problem(error);
    const auto bytes = as_bytes(body);
    return {protocol::http_status(error.code),
            "application/problem+json",
            {bytes.begin(), bytes.end()}};
  }

  World& world_;
  const unsigned party_;
  Wire& wire_;
  const std::string name_;
};

// Two servers and a client with its own, repeatable random bytes.
struct Pair {
  Recorder recorder;
  World zero{snapshots(), DeviceRoom::for_two_images, recorder.track(), 0};
  World one{snapshots(), DeviceRoom::for_one_image, recorder.track(), 1};
  std::array<WorldTransport::Wire, 2> wires;
  SeededRandom random{7};

  Result<std::unique_ptr<client::PirClient>> connect() {
    client::ClientOptions options;
    options.first_backoff = std::chrono::milliseconds(1);
    return client::PirClient::connect(std::make_unique<WorldTransport>(zero, 0, wires[0]),
                                      std::make_unique<WorldTransport>(one, 1, wires[1]), options,
                                      &random);
  }
  void look() {
    zero.look();
    one.look();
  }
};

// Something that happens to one of them, so that they are apart for a while.
void happen(World& world) {
  switch (*anywhere_in(0, 5)) {
    case 0:
      world.rotate(snapshots().by_manifest(*anywhere_in<unsigned>(0, TestSnapshots::bases)));
      break;
    case 1:
      world.compact();
      break;
    case 2:
      world.promote();
      break;
    default:
      world.apply_next();
  }
}

RC_GTEST_FIXTURE_PROP(FaultSequences, TwoServersThatAreApartNeverMisleadAClient, ()) {
  Pair pair;
  auto connected = pair.connect();
  RC_ASSERT(connected.has_value());
  client::PirClient& client = **connected;
  auto& track = pair.recorder.track();
  // Feeds that differ: under one number the two get different batches.
  const bool divergent = *rc::gen::arbitrary<bool>();
  std::size_t read = 0;
  for (int step = *anywhere_in(1, 12); step > 0; --step) {
    World& world = *rc::gen::arbitrary<bool>() ? pair.zero : pair.one;
    if (divergent && *anywhere_in(0, 3) == 0) {
      world.apply(batch_of(world.seq() + 1, &world == &pair.zero ? 50 : 60));
    } else {
      happen(world);
    }
    pair.look();
    const auto index = *anywhere_in<std::uint64_t>(0, geometry.rows);
    const std::vector<std::uint64_t> indices = {index};
    const auto fetched = client.fetch(indices, QueryKind::row);
    if (!fetched) {
      // What the two never had in common, or have no more, cannot be read; it is never misread.
      RC_ASSERT(fetched.error().code == ErrorCode::epoch_gone ||
                fetched.error().code == ErrorCode::no_epoch ||
                fetched.error().code == ErrorCode::servers_disagree);
      RC_ASSERT(!(pair.zero.current() == pair.one.current()));  // else there is something to read
      continue;
    }
    ++read;
    auto& decoded = track.begin_decoded();
    decoded.epoch = fetched->front().epoch->id;
    decoded.index = index;
    decoded.record = fetched->front().bytes;
    Recorder::Track::end(decoded);
  }
  RC_CLASSIFY(read > 0, "read");
  require_good(pair.recorder.collect(), contents_of({&pair.zero, &pair.one}));
}

// What happens between two servers and a client, again and again the same.
struct ScriptStep {
  enum class Kind : std::uint8_t { lookup, refresh, rotate, batch, count };
  Kind kind = Kind::lookup;
  bool zero = true;  // who rotates or gets the batch
  bool one = true;
  unsigned base = 0;
  std::vector<unsigned> keys;  // table_keys and more: not in the table
};
using Script = std::vector<ScriptStep>;

ScriptStep any_step() {
  ScriptStep step;
  // Every other one is a lookup.
  step.kind = *rc::gen::arbitrary<bool>() ? ScriptStep::Kind::lookup
                                          : static_cast<ScriptStep::Kind>(*anywhere_in<int>(
                                                1, static_cast<int>(ScriptStep::Kind::count)));
  const int who = *anywhere_in(0, 4);
  step.zero = who != 1;
  step.one = who != 2;
  step.base = *anywhere_in<unsigned>(0, TestSnapshots::bases);
  step.keys = *rc::gen::container<std::vector<unsigned>>(
      *anywhere_in<std::size_t>(1, 4), anywhere_in<unsigned>(0, table_keys * 3 / 2));
  return step;
}

// What happened in a run of a script: what the honest server saw, and what each lookup came to.
struct Played {
  std::vector<std::string> seen;
  std::vector<std::string> outcomes;  // the error, or for each key whether it was found
};

// The value that a key has in an epoch, if it is there.
std::optional<std::vector<std::byte>> value_of(const Contents& contents, const EpochId& id,
                                               unsigned key) {
  if (key >= table_keys) return std::nullopt;
  const auto* const content = contents.find(id);
  RC_ASSERT((content != nullptr));
  for (unsigned base = 0; base < TestSnapshots::bases; ++base) {
    if (table_of_base(base) != content->metadata.table) continue;
    const auto row = content->record(QueryKind::row, placement_of_base(base).row_of_key(key));
    return std::vector<std::byte>(row.begin() + tag_bytes, row.end());
  }
  return std::nullopt;
}

// The liar lies as soon as the client is connected. An honest run finds exactly what is there.
Played play(const Script& script, std::size_t liar, WorldTransport::Lie lie) {
  Pair pair;
  auto connected = pair.connect();
  RC_ASSERT(connected.has_value());
  client::PirClient& client = **connected;
  pair.wires[liar].lie = lie;
  Played played;
  for (const ScriptStep& step : script) {
    for (World* const world : {&pair.zero, &pair.one}) {
      if (world == &pair.zero ? !step.zero : !step.one) continue;
      if (step.kind == ScriptStep::Kind::rotate) world->rotate(snapshots().by_manifest(step.base));
      if (step.kind == ScriptStep::Kind::batch) world->apply_next();
    }
    if (step.kind == ScriptStep::Kind::refresh) {
      const auto refreshed = client.refresh();
      played.outcomes.emplace_back(refreshed ? "refreshed" : name(refreshed.error().code));
    }
    if (step.kind != ScriptStep::Kind::lookup) continue;
    std::vector<std::vector<std::byte>> keys;
    for (const unsigned key : step.keys) keys.push_back(key_of(key));
    const auto found = client.lookup(keys);
    std::string outcome(found ? "" : name(found.error().code));
    for (std::size_t i = 0; found && i < keys.size(); ++i) {
      outcome += (*found)[i].value ? '1' : '0';
      if (lie != WorldTransport::Lie::none) continue;
      const auto contents = contents_of({&pair.zero, &pair.one}, true);
      RC_ASSERT((*found)[i].value == value_of(contents, (*found)[i].epoch->id, step.keys[i]));
    }
    played.outcomes.push_back(std::move(outcome));
  }
  played.seen = std::move(pair.wires[1 - liar].requests);
  return played;
}

// A row that lies makes a present key look absent; what was asked and what will be asked stays the
// same, rotations between included.
RC_GTEST_FIXTURE_PROP(FaultSequences, WhatAnHonestServerSeesDoesNotDependOnRowsThatLie, ()) {
  Script script;
  for (int left = *anywhere_in(1, 10); left > 0; --left) script.push_back(any_step());
  const auto liar = *anywhere_in<std::size_t>(0, 2);
  const auto honest = play(script, liar, WorldTransport::Lie::none);
  const auto lied_to = play(script, liar, WorldTransport::Lie::rows);
  RC_ASSERT(lied_to.seen == honest.seen);
  RC_CLASSIFY(lied_to.outcomes != honest.outcomes, "the lie was believed");
}

// Nor on descriptions of no consequence that are not the same twice.
RC_GTEST_FIXTURE_PROP(FaultSequences, WhatAnHonestServerSeesDoesNotDependOnWhatIsNotCompared, ()) {
  Script script;
  for (int left = *anywhere_in(1, 10); left > 0; --left) script.push_back(any_step());
  const auto liar = *anywhere_in<std::size_t>(0, 2);
  const auto honest = play(script, liar, WorldTransport::Lie::none);
  const auto lied_to = play(script, liar, WorldTransport::Lie::residency);
  RC_ASSERT(lied_to.seen == honest.seen);
  RC_ASSERT(lied_to.outcomes == honest.outcomes);
}

// One that lies about what must be the same on both is found out the next time that it is asked,
// and from then on the client knows no newer epoch. It can so make itself useless, but whatever
// keys are looked up, the honest server sees the same.
RC_GTEST_FIXTURE_PROP(FaultSequences, WhatAnHonestServerSeesAfterALieAboutMetadataIsNotAboutKeys,
                      ()) {
  Script script;
  for (int left = *anywhere_in(1, 10); left > 0; --left) script.push_back(any_step());
  Script of_absent_keys = script;
  for (ScriptStep& step : of_absent_keys) {
    for (unsigned& key : step.keys) key += table_keys;
  }
  const auto liar = *anywhere_in<std::size_t>(0, 2);
  const auto lied_to = play(script, liar, WorldTransport::Lie::metadata);
  RC_ASSERT(lied_to.seen == play(of_absent_keys, liar, WorldTransport::Lie::metadata).seen);
  RC_ASSERT(std::ranges::count(lied_to.outcomes, "refreshed") == 0);
  // Until it is found out all is as if nobody lied.
  const auto honest = play(script, liar, WorldTransport::Lie::none);
  constexpr std::ptrdiff_t connected = 1;
  const auto apart = std::ranges::mismatch(lied_to.seen, honest.seen);
  const bool found_out = std::count(lied_to.seen.begin(), apart.in1, "GET /epoch") > connected;
  RC_ASSERT((found_out || lied_to.seen == honest.seen));
}

TEST(TwoServers, OneThatLiesAboutMetadataIsNotRead) {
  for (const std::size_t liar : {0U, 1U}) {
    Pair pair;
    pair.wires[liar].lie = WorldTransport::Lie::metadata;
    const auto connected = pair.connect();
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().code, ErrorCode::servers_disagree);
    EXPECT_EQ(pair.wires[1 - liar].queries, 0U);
  }
}

}  // namespace
}  // namespace gyre::faults
