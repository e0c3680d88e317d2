// Random sequences of everything that can be asked of a server, one after another, against a model.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "harness/protocol/query_codec.hpp"
#include "tests/faults/building.hpp"
#include "tests/faults/sequence.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/test_keys.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Content;
using fault_injection::Contents;
using fault_injection::Injector;
using fault_injection::Plan;

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
  std::vector<fault_injection::Firing> firings;

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
  build,
  count
};
constexpr std::array<std::string_view, static_cast<std::size_t>(Kind::count)> words = {
    "query",  "batch",     "resend",  "gap",     "rotate",
    "cancel", "roll back", "compact", "promote", "build"};

// Something that is asked of the server, one time in two under faults. Then it may fail, but only
// as if it had never been attempted, and succeeds when it is asked again; so the model need not
// know which.
class Step final : public rc::state::Command<Model, Server> {
 public:
  explicit Step(const Model& model)
      : kind_(static_cast<Kind>(*anywhere_in<int>(0, static_cast<int>(Kind::count)))),
        base_(*anywhere_in<unsigned>(0, TestSnapshots::bases)),
        which_(*anywhere_in<std::size_t>(0, model.earlier.size() + 1)),
        keys_(*anywhere_in<std::size_t>(1, 5)),
        page_(*rc::gen::arbitrary<bool>()),
        source_(*anywhere_in(0, 3)) {
    constexpr int most_faults = 8;
    if (*rc::gen::arbitrary<bool>()) faults_ = some_faults(most_faults);
  }

  // In parentheses: RapidCheck takes a bare condition apart, and evaluates both sides of it.
  void checkPreconditions(const Model& model) const override {
    if (kind_ == Kind::roll_back) RC_PRE((which_ < model.earlier.size() && is_certain(model)));
    if (kind_ == Kind::query) RC_PRE((which_ >= model.earlier.size() || is_certain(model)));
    if (kind_ == Kind::resend) RC_PRE(!model.current.batches.empty());
  }

  void apply(Model& model) const override {
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
    if (!done_under_faults(before, server)) {
      RC_ASSERT(server.world.current() == Server::content_of(before.current).id);
      server.world.look();
      RC_ASSERT(act(before, server));
    }
    RC_ASSERT(server.world.current() == Server::content_of(after.current).id);
    server.world.look();
  }

  void show(std::ostream& out) const override {
    out << words[static_cast<std::size_t>(kind_)];
    if (kind_ == Kind::rotate || kind_ == Kind::cancel) out << " to base " << base_;
    if (kind_ == Kind::roll_back) out << " by " << which_ + 1;
    if (kind_ == Kind::query) out << " " << keys_ << (page_ ? " pages" : " rows");
    if (!faults_.points.empty()) out << ", under " << text_of(faults_);
  }

 private:
  // Other bases may have been let go for any rotation, one that changed nothing included.
  [[nodiscard]] bool is_certain(const Model& model) const {
    return model.earlier[which_].base == model.current.base;
  }

  bool done_under_faults(const Model& before, Server& server) const {
    if (faults_.points.empty()) return act(before, server);
    server.injector.arm(faults_);
    bool done = false;
    {
      const PauseEnder ender(server.injector, faults_);
      done = act(before, server);
    }
    const auto fired = server.injector.disarm();
    server.firings.insert(server.firings.end(), fired.begin(), fired.end());
    // Nothing else may make it fail.
    RC_ASSERT((done || !fired.empty()));
    return done;
  }

  [[nodiscard]] protocol::SnapshotRequest snapshot() const {
    switch (source_) {
      case 0:
        return snapshots().raw(base_);
      case 1:
        return snapshots().over_http(base_);
      default:
        return snapshots().by_manifest(base_);
    }
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
        return world.rotate(snapshot());
      case Kind::cancel:
        // Whichever comes first: what it was before is made current again, if it was not stopped.
        // No fault comes twice, so that it must succeed in the end.
        if (world.rotate_and_cancel(snapshot()) && base_ != before.current.base) {
          for (std::size_t i = 0; i <= faults_.points.size(); ++i) {
            if (world.roll_back(true)) return true;
          }
          RC_FAIL("a rotation that came before its end cannot be taken back");
        }
        return true;
      case Kind::roll_back:
        return world.roll_back_to(Server::content_of(before.earlier[which_]).id, true);
      case Kind::compact:
        return world.compact();
      case Kind::promote:
        return world.promote();
      case Kind::build:
        build_keyed_table(world, snapshots(), faults_.points.empty());
        return true;
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
    if (!answered) return false;
    RC_ASSERT(answered->epoch == content.id);
    RC_ASSERT(answered->answers == expected);
    return true;
  }

  const Kind kind_;
  const unsigned base_;
  const std::size_t which_;  // of the earlier ones; past the last: the current one
  const std::size_t keys_;
  const bool page_;
  const int source_;
  Plan faults_;
};

RC_GTEST_FIXTURE_PROP(FaultSequences, AServerIsWhatTheModelSays, ()) {
  Server server;
  rc::state::check(Model{}, server, rc::state::gen::execOneOfWithArgs<Step>());
  server.world.heal();
  server.world.end();
  require_no_findings(server.world);
  auto history = server.recorder.collect();
  history.firings = std::move(server.firings);
  require_good(std::move(history), contents_of({&server.world}));
}

}  // namespace
}  // namespace gyre::faults
