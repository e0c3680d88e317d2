// Random sequences of everything that can be asked of a server: one after another against a model,
// at once judged by the checker, and on two servers between which a client reads.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fault_injection/checker.hpp"
#include "fault_injection/injector.hpp"
#include "harness/client/pir_client.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/server/epoch_entry.hpp"
#include "tests/faults/test_snapshots.hpp"
#include "tests/faults/world.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/test_keys.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Content;
using fault_injection::Contents;
using fault_injection::Injector;
using fault_injection::Plan;
using fault_injection::Term;

const TestSnapshots& snapshots() {
  static const TestSnapshots made;
  return made;
}

Contents contents_of(const std::vector<const World*>& worlds, bool one_feed = false) {
  Contents contents(crypto::sha256);
  snapshots().add_all_to(contents);
  for (const World* world : worlds) world->add_batches_to(contents, one_feed);
  return contents;
}

struct Count {
  std::size_t sequences = 0;
  std::size_t histories = 0;  // judged
  std::size_t violations = 0;
};
Count& count() {
  static Count so_far;
  return so_far;
}

void require_good(const fault_injection::Verdict& verdict) {
  ++count().histories;
  count().violations += verdict.violations.size();
  // At once, and not as RapidCheck's description: that comes from running the case again, and which
  // thread comes first differs.
  if (!verdict.good()) std::cerr << verdict.text();
  RC_ASSERT(verdict.good());
}

// What one server is, as one would describe it in a minute.
struct Model {
  struct State {
    unsigned base = 0;
    std::vector<std::uint32_t> batches;  // accepted, by their variant; seq 1 is the first
  };
  State current{0, {0}};
  std::vector<State> earlier{{0, {}}};  // the newest first; those of other bases may be gone
  std::uint32_t variants = 0;           // of batches so far
};

struct Server {
  Recorder recorder;
  Injector injector;
  World world{snapshots(), DeviceRoom::for_two_images, recorder.track()};
  SeededRandom random{1};

  // The epoch of a state by its definition: the base, and batches after it.
  static Content content_of(const Model::State& state) {
    Contents contents(crypto::sha256);
    snapshots().add_all_to(contents);
    const auto& manifest = snapshots().manifest(state.base);
    EpochId id = EpochId::of_base(manifest.content_id, 0);
    std::uint64_t seq = 0;
    for (const std::uint32_t variant : state.batches) {
      const UpdateBatch batch = batch_of(++seq, variant);
      contents.add_batch(batch);
      id = id.after(seq, binary_form(batch), crypto::sha256);
    }
    return *contents.find(id);
  }
};

enum class Kind : std::uint8_t {
  query,
  batch,
  resend,
  gap,
  rotate,
  cancel,
  roll_back,
  compact,
  promote,
  count
};
constexpr std::array<std::string_view, static_cast<std::size_t>(Kind::count)> words = {
    "query", "batch", "resend", "gap", "rotate", "cancel", "roll back", "compact", "promote"};

// Points that a change of that kind certainly comes to.
std::vector<FaultPoint> points_of(Kind kind) {
  switch (kind) {
    case Kind::batch:
      return {FaultPoint::updates_lock, FaultPoint::overlay_append, FaultPoint::updates_log,
              FaultPoint::epoch_alloc};
    case Kind::rotate:
      return {FaultPoint::rotation_start, FaultPoint::rotation_lock, FaultPoint::source_open};
    case Kind::roll_back:
      return {FaultPoint::rotation_lock, FaultPoint::changes_alloc, FaultPoint::epoch_alloc};
    case Kind::compact:
      return {FaultPoint::rotation_lock};
    default:
      return {};
  }
}

class Step final : public rc::state::Command<Model, Server> {
 public:
  explicit Step(const Model& model)
      : kind_(static_cast<Kind>(*anywhere_in<int>(0, static_cast<int>(Kind::count)))),
        base_(*anywhere_in<unsigned>(0, TestSnapshots::bases)),
        which_(*anywhere_in<std::size_t>(0, model.earlier.size() + 1)),
        keys_(*anywhere_in<std::size_t>(1, 5)),
        page_(*rc::gen::arbitrary<bool>()) {
    const auto points = points_of(kind_);
    if (!points.empty() && *anywhere_in(0, 3) == 0) fault_ = *rc::gen::elementOf(points);
  }

  // In parentheses: RapidCheck takes a bare condition apart, and evaluates both sides of it.
  void checkPreconditions(const Model& model) const override {
    if (kind_ == Kind::roll_back) RC_PRE((which_ < model.earlier.size() && is_certain(model)));
    if (kind_ == Kind::query) RC_PRE((which_ >= model.earlier.size() || is_certain(model)));
    if (kind_ == Kind::resend) RC_PRE(!model.current.batches.empty());
  }

  void apply(Model& model) const override {
    if (fault_) return;
    switch (kind_) {
      case Kind::batch:
        model.earlier.insert(model.earlier.begin(), model.current);
        model.current.batches.push_back(++model.variants);
        break;
      case Kind::rotate:
        if (base_ == model.current.base) break;
        model.earlier.insert(model.earlier.begin(), model.current);
        model.current.base = base_;
        // A rotation lets go of bases other than the one it replaces.
        std::erase_if(model.earlier, [&, before = model.earlier.front().base](const auto& state) {
          return state.base != before;
        });
        break;
      case Kind::roll_back: {
        const Model::State back = model.earlier[which_];
        model.earlier.erase(model.earlier.begin(),
                            model.earlier.begin() + static_cast<std::ptrdiff_t>(which_) + 1);
        model.current = back;
        break;
      }
      default:
        break;
    }
  }

  void run(const Model& before, Server& server) const override {
    Model after = before;
    apply(after);
    if (fault_) {
      server.injector.arm(Plan{{{*fault_, {{.action = FaultAction::fail, .count = 1}}}}});
    }
    const bool done = act(before, server);
    if (fault_) {
      RC_ASSERT(server.injector.never_hit().empty());
      server.injector.disarm();
    }
    RC_ASSERT(done == !fault_);
    const Content now = Server::content_of(after.current);
    RC_ASSERT(server.world.current() == now.id);
    server.world.look();
  }

  void show(std::ostream& out) const override {
    out << words[static_cast<std::size_t>(kind_)];
    if (kind_ == Kind::rotate || kind_ == Kind::cancel) out << " to base " << base_;
    if (kind_ == Kind::roll_back) out << " by " << which_ + 1;
    if (kind_ == Kind::query) out << " " << keys_ << (page_ ? " pages" : " rows");
    if (fault_) out << ", failing at " << describe(*fault_).name;
  }

 private:
  // Other bases may have been let go for any rotation, one that changed nothing included.
  [[nodiscard]] bool is_certain(const Model& model) const {
    return model.earlier[which_].base == model.current.base;
  }

  bool act(const Model& before, Server& server) const {
    World& world = server.world;
    switch (kind_) {
      case Kind::query:
        return query(before, server);
      case Kind::batch:
        return world.apply(batch_of(before.current.batches.size() + 1, before.variants + 1));
      case Kind::resend:
        return world.apply(batch_of(before.current.batches.size(), before.current.batches.back()));
      case Kind::gap:
        return !world.apply(batch_of(before.current.batches.size() + 2, 200));
      case Kind::rotate:
        return world.rotate(page_ ? snapshots().raw(base_) : snapshots().by_manifest(base_));
      case Kind::cancel:
        // Whichever comes first: what it was before is made current again, if it was not stopped.
        if (world.rotate_and_cancel(snapshots().raw(base_)) && base_ != before.current.base) {
          return world.roll_back(true);
        }
        return true;
      case Kind::roll_back:
        return world.roll_back_to(Server::content_of(before.earlier[which_]).id, true);
      case Kind::compact:
        return world.compact();
      case Kind::promote:
        return world.promote();
      case Kind::count:
        break;
    }
    return false;
  }

  bool query(const Model& before, Server& server) const {
    const bool pinned = which_ < before.earlier.size();
    const Content content = Server::content_of(pinned ? before.earlier[which_] : before.current);
    const QueryKind kind = page_ ? QueryKind::page : QueryKind::row;
    protocol::QueryRequest request{CurrentEpoch{}, {}};
    if (pinned) request.epoch = content.id;
    std::vector<std::byte> expected;
    for (std::size_t i = 0; i < keys_; ++i) {
      const std::uint64_t records = geometry.records(kind);
      request.keys.push_back(make_keys(records, server.random.word() % records, server.random)[0]);
      const auto answer = content.answer(kind, request.keys.back());
      expected.insert(expected.end(), answer.begin(), answer.end());
    }
    const auto answered = server.world.answer(kind, request);
    return answered && answered->epoch == content.id && answered->answers == expected;
  }

  const Kind kind_;
  const unsigned base_;
  const std::size_t which_;  // of the earlier ones; past the last: the current one
  const std::size_t keys_;
  const bool page_;
  std::optional<FaultPoint> fault_;
};

class FaultSequences : public testing::Test {
 protected:
  // For every case of a property.
  FaultSequences() {
    spdlog::set_level(spdlog::level::off);
    ++count().sequences;
  }
};

class Report final : public testing::Environment {
  void TearDown() override {
    std::cout << "faults: " << count().sequences << " random sequences, " << count().histories
              << " histories judged, " << count().violations << " violations" << std::endl;
  }
};
const auto* const registered_report = testing::AddGlobalTestEnvironment(new Report);

RC_GTEST_FIXTURE_PROP(FaultSequences, AServerIsWhatTheModelSays, ()) {
  Server server;
  rc::state::check(Model{}, server, rc::state::gen::execOneOfWithArgs<Step>());
  server.world.heal();
  server.world.end();
  const auto verdict = check(server.recorder.collect(), contents_of({&server.world}));
  require_good(verdict);
}

// Every change from a thread of its own, under faults, while others ask.
RC_GTEST_FIXTURE_PROP(FaultSequences, AtOnceNothingIsBrokenEither, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto room = *rc::gen::element(DeviceRoom::for_two_images, DeviceRoom::for_one_image);
  Recorder recorder;
  Plan plan;
  for (const FaultPointDescription& point : fault_points) {
    if (!point.allows(FaultAction::fail) || *anywhere_in(0, 3) != 0) continue;
    const ErrorCode code =
        *rc::gen::elementOf(std::vector<ErrorCode>(point.codes().begin(), point.codes().end()));
    plan.points.push_back(
        {point.point,
         {{.action = FaultAction::fail, .per_million = 150'000, .code = code},
          {.action = FaultAction::delay, .per_million = 100'000, .argument = 1}}});
  }
  Injector injector({}, seed);
  World world(snapshots(), room, recorder.track());
  injector.arm(plan);
  std::vector<fault_injection::Firing> firings;
  {
    std::atomic<bool> over = false;
    std::vector<std::jthread> askers;
    for (unsigned client = 1; client <= 2; ++client) {
      askers.emplace_back([&, client, &track = recorder.track()] {
        SeededRandom random(seed + client);
        while (!over) {
          world.query(track, client, random);
          std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
      });
    }
    const auto changes = [&](auto&& step) {
      return std::jthread([&, step, &track = recorder.track()] {
        const World::OnTrack recorded(track);
        SeededRandom random(seed);
        for (int i = 0; i < 12; ++i) step(random);
      });
    };
    {
      const auto feed = changes([&](SeededRandom&) {
        world.apply_next();
        world.look();
      });
      const auto rotations = changes([&](SeededRandom& random) {
        const auto base = static_cast<unsigned>(random.word() % TestSnapshots::bases);
        switch (random.word() % 4) {
          case 0:
            world.rotate_and_cancel(snapshots().raw(base));
            break;
          case 1:
            world.roll_back(random.word() % 2 == 0);
            break;
          default:
            world.rotate(snapshots().by_manifest(base));
        }
      });
      const auto foldings = changes([&](SeededRandom& random) {
        if (random.word() % 2 == 0) {
          world.compact();
        } else {
          world.promote();
        }
      });
    }
    firings = injector.disarm();
    over = true;
  }
  world.heal();
  world.end();
  auto history = recorder.collect();
  history.firings = std::move(firings);
  history.replay =
      "fault-sequences-test with the RC_PARAMS that it prints at its end; the plan was '" +
      text_of(plan) + "'; which thread comes first is not replayed";
  const auto verdict = check(history, contents_of({&world}, true));
  require_good(verdict);
}

// A server in this process, as its client sees it; it may lie.
class WorldTransport final : public client::Transport {
 public:
  enum class Lie : std::uint8_t { none, rows, metadata };
  // Outlives the transport.
  struct Wire {
    Lie lie = Lie::none;
    std::vector<std::string> bodies;  // of queries, as they came
  };

  WorldTransport(World& world, unsigned party, Wire& wire)
      : world_(world), party_(party), wire_(wire), name_("world-" + std::to_string(party)) {}

  [[nodiscard]] const std::string& server() const noexcept override { return name_; }

  [[nodiscard]] Result<client::TransportResponse> get(std::string_view, std::size_t) override {
    auto document = server::describe(world_.epochs(), static_cast<std::uint8_t>(party_));
    if (!document) return refusal(document.error());
    if (wire_.lie == Lie::metadata) {
      document->current.metadata.block_number = 7;
      for (auto& entry : document->retained) entry.metadata.block_number = 7;
    }
    return success("application/json", protocol::encode_epoch_document(*document));
  }

  [[nodiscard]] Result<client::TransportResponse> post(std::string_view path, std::string_view,
                                                       std::span<const std::byte> body,
                                                       std::size_t) override {
    const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
    wire_.bodies.push_back(text);
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
  const auto verdict = check(pair.recorder.collect(), contents_of({&pair.zero, &pair.one}));
  require_good(verdict);
}

RC_GTEST_FIXTURE_PROP(FaultSequences, WhatAnHonestServerSeesDoesNotDependOnTheOthersLies, ()) {
  const auto liar = *anywhere_in<std::size_t>(0, 2);
  const auto indices = *rc::gen::container<std::vector<std::uint64_t>>(
      *anywhere_in<std::size_t>(1, 6), anywhere_in<std::uint64_t>(0, geometry.rows));
  const auto reads = *anywhere_in(1, 4);
  const auto run = [&](WorldTransport::Lie lie) {
    Pair pair;
    auto connected = pair.connect();
    RC_ASSERT(connected.has_value());
    pair.wires[liar].lie = lie;
    for (int i = 0; i < reads; ++i) {
      const auto fetched = (*connected)->fetch(indices, QueryKind::row);
      RC_ASSERT(fetched.has_value());
    }
    return pair.wires[1 - liar].bodies;
  };
  RC_ASSERT(run(WorldTransport::Lie::rows) == run(WorldTransport::Lie::none));
}

TEST_F(FaultSequences, AServerThatLiesAboutMetadataIsNotRead) {
  for (const std::size_t liar : {0U, 1U}) {
    Pair pair;
    pair.wires[liar].lie = WorldTransport::Lie::metadata;
    const auto connected = pair.connect();
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().code, ErrorCode::servers_disagree);
    EXPECT_TRUE(pair.wires[1 - liar].bodies.empty());
  }
}

}  // namespace
}  // namespace gyre::faults
