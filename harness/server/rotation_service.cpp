#include "harness/server/rotation_service.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "core/fault_point.hpp"

namespace gyre::server {

using protocol::RotationDocument;

namespace {

constexpr std::size_t boot_digits_in_id = 8;

tl::unexpected<Error> stopping() {
  return fail(ErrorCode::draining, "this server is shutting down and changes nothing any more");
}

void log_end(const RotationDocument& document) {
  spdlog::log(document.error ? spdlog::level::warn : spdlog::level::info,
              "event=rotation id={} state={} phase={} bytes={} bytes_per_second={:.0f} epoch={} "
              "replayed={} discarded={} code={}",
              document.id, protocol::name(document.state), protocol::name(document.phase),
              document.bytes, document.bytes_per_second,
              document.epoch ? document.epoch->id.text() : "-", document.replayed,
              document.discarded, document.error ? document.error->code : "-");
}

}  // namespace

RotationService::RotationService(RotationEnvironment environment, RotationLimits limits,
                                 std::string_view boot)
    : environment_(std::move(environment)),
      limits_(limits),
      id_prefix_(std::string(boot.substr(0, boot_digits_in_id)) + "-") {}

RotationService::~RotationService() {
  stop();
}

Result<std::shared_ptr<Rotation>> RotationService::start(protocol::SnapshotRequest request) try {
  const std::lock_guard lock(mutex_);
  if (stopping_) return stopping();
  GYRE_FAULT_POINT(rotation_start);
  tidy();
  const auto running = std::count_if(entries_.begin(), entries_.end(),
                                     [](const Entry& entry) { return !entry.rotation->ended(); });
  if (static_cast<std::size_t>(running) >= max_running) {
    return fail(ErrorCode::rotation_in_progress,
                "a rotation is under way and as many wait for it as may; try again later");
  }
  auto rotation = std::make_shared<Rotation>(id_prefix_ + std::to_string(++count_));
  entries_.push_back(Entry{rotation, {}});
  try {
    entries_.back().thread =
        std::jthread([this, rotation, asked = std::move(request)] { run(asked, *rotation); });
  } catch (...) {
    entries_.pop_back();
    throw;
  }
  return rotation;
} catch (const std::exception&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory, or no thread, for a rotation");
}

void RotationService::run(const protocol::SnapshotRequest& request, Rotation& rotation) {
  const auto rotate_and_finish = [&] {
    auto outcome = rotate(environment_, limits_, request, rotation);
    if (!outcome) {
      // What stopped because of a cancellation may have said so in words of its own.
      auto wanted = rotation.check_not_cancelled();
      rotation.finish_failed(wanted ? std::move(outcome.error()) : std::move(wanted.error()));
    } else if (outcome->unchanged) {
      rotation.finish_unchanged(std::move(outcome->epoch));
    } else {
      rotation.finish_published(std::move(outcome->epoch), outcome->replayed, outcome->discarded);
    }
  };
  try {
    rotate_and_finish();
  } catch (const std::exception&) {
    rotation.finish_failed(
        {ErrorCode::internal, "the rotation failed in a way that is a defect of Gyre"});
  }
  const RotationDocument document = rotation.document();
  environment_.on_end(document);
  log_end(document);
}

std::size_t RotationService::running() const {
  const auto rotations = list();
  return static_cast<std::size_t>(std::count_if(
      rotations.begin(), rotations.end(), [](const auto& rotation) { return !rotation->ended(); }));
}

void RotationService::tidy() {
  for (Entry& entry : entries_) {
    // A thread whose rotation has ended has nothing left to wait for.
    if (entry.rotation->ended() && entry.thread.joinable()) entry.thread.join();
  }
  for (auto entry = entries_.begin(); entries_.size() >= kept && entry != entries_.end();) {
    entry = entry->rotation->ended() ? entries_.erase(entry) : std::next(entry);
  }
}

Result<EpochWriter::Installed> RotationService::roll_back(
    const protocol::RollbackRequest& request) {
  if (stop_.stop_requested()) return stopping();
  auto lock = environment_.writer.lock_rotation(limits_.lock_timeout, stop_.get_token());
  if (!lock && lock.error().code == ErrorCode::cancelled) return stopping();
  if (!lock) return forward_error(lock);
  return environment_.writer.roll_back(*lock, request.epoch, request.discard_updates);
}

Result<std::shared_ptr<Rotation>> RotationService::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.rotation->id() == id) return entry.rotation;
  }
  return fail(ErrorCode::not_found,
              "there is no rotation of that id; the last 100 of this boot are remembered");
}

std::vector<std::shared_ptr<Rotation>> RotationService::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Rotation>> rotations;
  rotations.reserve(entries_.size());
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    rotations.push_back(entry->rotation);
  }
  return rotations;
}

void RotationService::stop() {
  stop_.request_stop();
  std::deque<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Entry& entry : entries_) {
      entry.rotation->cancel();
      entries.push_back(Entry{entry.rotation, std::move(entry.thread)});
    }
  }
  for (Entry& entry : entries) {
    if (entry.thread.joinable()) entry.thread.join();
  }
}

}  // namespace gyre::server
