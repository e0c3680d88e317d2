#include "tests/faults/world.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "core/dpf/generate.hpp"

namespace gyre::faults {
namespace {

constexpr RetentionPolicy retention{
    .retain_epochs = 32, .retain_for = std::chrono::hours(1), .retain_bases = 1};

std::uint64_t capacity(DeviceRoom room) {
  return room == DeviceRoom::for_two_images ? 3 * geometry.bytes() : geometry.bytes() * 3 / 2;
}

// So that a request of several keys takes several passes.
server::QueryLimits query_limits() {
  server::QueryLimits limits;
  limits.max_pass_queries = 2;
  return limits;
}

// Of the two forms of the function the one that core asks for.
constexpr Sha256 sha256 = crypto::sha256;

std::uint64_t generation_of(const std::string& text) {
  return std::stoull(text.substr(text.rfind(':') + 1));
}

}  // namespace

World::World(const TestSnapshots& snapshots, DeviceRoom room, Recorder::Track& track,
             unsigned server)
    : snapshots_(snapshots),
      own_track_(track),
      server_(server),
      device_(std::make_shared<device::SimulatedDevice>(
          device::SimulatedDeviceOptions{.capacity_bytes = capacity(room)})),
      device_backend_(device_),
      host_(CpuBackend::create({.kernel = "portable",
                                .executor = "pool",
                                .threads = 1,
                                .parts = 2,
                                .least_part_bytes = 1})
                .value()),
      retirer_(std::make_unique<Retirer>()),
      epochs_(std::make_unique<EpochTable>("boot" + std::to_string(server), retention, *retirer_)),
      writer_(std::make_unique<EpochWriter>(*epochs_, sha256, WriterLimits{})),
      origin_(snapshots.policy()),
      queries_(std::make_unique<server::QueryService>(*epochs_, static_cast<std::uint8_t>(server),
                                                      query_limits())),
      promoter_(std::make_unique<server::Promoter>(
          *epochs_, std::vector<Backend*>{&device_backend_},
          [this](const Image& instead_of, Images images) -> Result<bool> {
            auto lock = writer_->lock_rotation(std::chrono::seconds(10));
            if (!lock) return forward_error(lock);
            return writer_->replace_images(*lock, instead_of, std::move(images));
          })) {
  server::RotationLimits limits;
  limits.lock_timeout = std::chrono::seconds(10);
  rotations_ = std::make_unique<server::RotationService>(
      server::RotationEnvironment{*epochs_, *writer_, origin_,
                                  server::stage_in({&device_backend_, host_.get()}),
                                  [this] { drop_other_bases(); }},
      limits, epochs_->boot());
  look_at_nothing();
  if (!rotate(snapshots_.by_manifest(0), true)) {
    throw std::logic_error("a world's first rotation failed");
  }
  look("one base, unasked");
  apply_next(true);
  look();
}

World::~World() {
  if (rotations_) rotations_->stop();
}

bool World::change(Change::Kind kind, bool must, const std::function<Result<void>(Change&)>& what) {
  Change& change = track().begin_change();
  change.server = server_;
  change.kind = kind;
  change.must_succeed = must;
  const auto done = what(change);
  if (!done) change.error = done.error().code;
  Recorder::Track::end(change);
  return done.has_value();
}

void World::made_current(Change& change, const Lease& lease) const {
  change.epoch = lease.epoch().id;
  change.generation = lease.generation().count;
}

Result<void> World::wait_for(Change& change,
                             const std::shared_ptr<server::Rotation>& rotation) const {
  rotation->wait();
  const auto document = rotation->document();
  if (document.error) return tl::unexpected<Error>(rotation->error());
  change.epoch = document.epoch->id;
  change.generation = generation_of(document.epoch->generation);
  change.discarded = document.discarded;
  return {};
}

bool World::rotate(const protocol::SnapshotRequest& request, bool must) {
  return change(Change::Kind::rotation, must, [&](Change& change) -> Result<void> {
    auto rotation = rotations_->start(request);
    if (!rotation) return forward_error(rotation);
    return wait_for(change, *rotation);
  });
}

bool World::rotate_and_cancel(const protocol::SnapshotRequest& request) {
  return change(Change::Kind::rotation, false, [&](Change& change) -> Result<void> {
    auto rotation = rotations_->start(request);
    if (!rotation) return forward_error(rotation);
    (*rotation)->cancel();
    return wait_for(change, *rotation);
  });
}

bool World::apply(const UpdateBatch& batch, bool must) {
  batches_.emplace_back(batch, current().chain);
  return change(Change::Kind::batch, must, [&](Change& change) -> Result<void> {
    change.seq = batch.seq;
    auto applied = writer_->apply(batch);
    if (!applied) return forward_error(applied);
    change.epoch = applied->id;
    change.generation = applied->generation;
    return {};
  });
}

bool World::compact(bool must) {
  return change(Change::Kind::compaction, must, [&](Change&) -> Result<void> {
    auto lock = writer_->lock_rotation(std::chrono::seconds(10));
    if (!lock) return forward_error(lock);
    auto compacted = writer_->compact(*lock);
    if (!compacted) return forward_error(compacted);
    return {};
  });
}

bool World::roll_back(bool to_other_base, bool must) {
  const auto held = epochs_->snapshot();
  const auto found = std::find_if(held.begin() + 1, held.end(), [&](const Lease& lease) {
    const bool other = lease.epoch().id.base != held.front().epoch().id.base;
    return other == to_other_base;
  });
  return found != held.end() && roll_back_to(found->epoch().id, true, must);
}

bool World::roll_back_to(const EpochId& id, bool discard_updates, bool must) {
  return change(Change::Kind::rollback, must, [&](Change& change) -> Result<void> {
    auto installed = rotations_->roll_back({id, discard_updates});
    if (!installed) return forward_error(installed);
    made_current(change, installed->lease);
    change.discarded = installed->discarded;
    return {};
  });
}

bool World::promote(bool must) {
  return change(Change::Kind::promotion, must, [&](Change&) -> Result<void> {
    // The old image goes with the last query that has begun on it.
    for (int i = 0; i < 100; ++i) {
      auto looked = promoter_->look({});
      if (!looked) return forward_error(looked);
      if (*looked != server::Promotion::no_room_yet) break;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      retirer_->drain();
    }
    return {};
  });
}

void World::add_batches_to(fault_injection::Contents& contents, bool one_feed) const {
  for (const auto& [batch, after] : batches_) {
    if (one_feed) {
      contents.add_batch(batch);
    } else {
      contents.add_batch(batch, after);
    }
  }
}

void World::drop_other_bases() {
  epochs_->drop_other_bases();
  retirer_->drain();
}

std::map<std::string, std::uint64_t> World::memory() const {
  return {{"host", host_->memory_used_bytes()}, {"device", device_->used_bytes()}};
}

void World::look(std::string baseline) {
  const fault_injection::Injector::OnlyLooking looking;
  auto& look = track().begin_look();
  look.server = server_;
  for (const Lease& lease : epochs_->snapshot()) {
    const Epoch& epoch = lease.epoch();
    // Once for each image: all of them must have the same rows.
    for (const auto& image : epoch.images) {
      std::vector<std::byte> rows(geometry.bytes());
      if (!image->read_rows(0, rows)) throw std::runtime_error("an image cannot be read");
      for (std::uint64_t row = 0; row < geometry.rows; ++row) {
        epoch.overlay.apply_to_row(
            row, std::span(rows).subspan(row * geometry.row_bytes, geometry.row_bytes));
      }
      look.held.push_back({epoch.id, lease.generation().count, epoch.content_id, epoch.metadata,
                           crypto::sha256(rows)});
    }
  }
  look.memory = memory();
  look.baseline = std::move(baseline);
  Recorder::Track::end(look);
}

bool World::query(Recorder::Track& track, unsigned client, SeededRandom& random) {
  return query(track, client, random,
               [this](QueryKind kind, const protocol::QueryRequest& asked)
                   -> Result<protocol::QueryResponse> { return answer(kind, asked); });
}

bool World::query(Recorder::Track& track, unsigned client, SeededRandom& random, const Ask& ask) {
  const auto held = epochs_->snapshot();
  EpochChoice epoch = CurrentEpoch{};
  if (random.word() % 2 == 0) epoch = held[random.word() % held.size()].epoch().id;
  const QueryKind kind = random.word() % 2 == 0 ? QueryKind::row : QueryKind::page;
  std::vector<dpf::Key> keys;
  for (std::uint64_t more = random.word() % 3 + 1; more > 0; --more) {
    const std::uint64_t records = geometry.records(kind);
    auto pair = dpf::generate(dpf::levels_for(records), random.word() % records, random);
    keys.push_back(std::move(pair.value()[server_]));
  }
  auto& request = track.begin_request();
  request.server = server_;
  request.client = client;
  request.asked = epoch;
  request.kind = kind;
  request.keys = std::move(keys);
  auto answered = ask(kind, {epoch, request.keys});
  if (answered) {
    request.epoch = answered->epoch;
    request.generation = generation_of(answered->generation);
    request.answers = std::move(answered->answers);
  } else {
    request.error = answered.error().code;
  }
  Recorder::Track::end(request);
  return answered.has_value();
}

Result<protocol::QueryResponse> World::answer(QueryKind kind,
                                              const protocol::QueryRequest& request) {
  auto answered = queries_->answer(kind, request);
  if (!answered) return forward_error(answered);
  return std::move(answered->response);
}

void World::heal() {
  // A rotation to another base, whichever is current, then everything else once.
  const EpochId now = current();
  const auto is_current = [&](unsigned base) {
    return EpochId::of_base(snapshots_.manifest(base).content_id, 0).base == now.base;
  };
  rotate(snapshots_.by_manifest(is_current(1) ? 0 : 1), true);
  look();
  apply_next(true);
  look();
  compact(true);
  look();
  for (int i = 0; i < 2; ++i) promote(true);
  look();
}

void World::end() {
  // As after the first rotation: one base that nobody has asked yet, on the device and the host.
  rotate(snapshots_.raw(3), true);
  drop_other_bases();
  promote(true);
  drop_other_bases();
  compact(true);
  drop_other_bases();
  promote(true);
  drop_other_bases();
  look("one base, unasked");
  rotations_.reset();
  promoter_.reset();
  queries_.reset();
  writer_.reset();
  epochs_.reset();
  retirer_->drain();
  look_at_nothing();
}

void World::found(std::string what) {
  const std::lock_guard lock(findings_mutex_);
  findings_.push_back(std::move(what));
}

void World::look_at_nothing() {
  auto& look = track().begin_look();
  look.server = server_ + 100;  // another server, as it were: it has no epochs
  look.memory = memory();
  look.baseline = "nothing";
  Recorder::Track::end(look);
}

}  // namespace gyre::faults
