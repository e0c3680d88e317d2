#include "harness/server/promoter.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <utility>

#include "core/elapsed.hpp"
#include "core/promotion.hpp"

namespace gyre::server {
namespace {

// How many pauses long it waits at most after failures.
constexpr int longest_pauses = 64;

bool is_on(const Image& image, const std::vector<Backend*>& devices) {
  return std::any_of(devices.begin(), devices.end(),
                     [&](const Backend* device) { return device->name() == image.residency(); });
}

// The first device on which none of the images is.
Backend* device_without(const Images& images, const std::vector<Backend*>& devices) {
  for (Backend* device : devices) {
    const bool has = std::any_of(images.begin(), images.end(), [&](const auto& image) {
      return image->residency() == device->name();
    });
    if (!has) return device;
  }
  return nullptr;
}

// The images with one more, devices first, each device in its place.
Images with_image(const Images& images, std::shared_ptr<const Image> more,
                  const std::vector<Backend*>& devices) {
  Images all = images;
  all.push_back(std::move(more));
  const auto rank = [&](const std::shared_ptr<const Image>& image) {
    return std::find_if(
               devices.begin(), devices.end(),
               [&](const Backend* device) { return device->name() == image->residency(); }) -
           devices.begin();
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return all;
}

bool is_first_image(const EpochTable& epochs, const Image& image) {
  const auto lease = epochs.lease(CurrentEpoch{});
  return lease && lease->epoch().images.front().get() == &image;
}

std::string_view text_of(Promotion promotion) {
  switch (promotion) {
    case Promotion::none_needed:
      return "none_needed";
    case Promotion::promoted:
      return "promoted";
    case Promotion::withdrawn:
      return "withdrawn";
    case Promotion::no_room_yet:
      return "no_room_yet";
    case Promotion::overtaken:
      return "overtaken";
  }
  return "unknown";
}

}  // namespace

Promoter::Promoter(const EpochTable& epochs, std::vector<Backend*> devices, Replace replace)
    : epochs_(epochs), devices_(std::move(devices)), replace_(std::move(replace)) {}

Result<Promotion> Promoter::look(const std::stop_token& stop) const {
  std::uint64_t uploaded_bytes = 0;
  return look(stop, uploaded_bytes);
}

Result<Promotion> Promoter::look(const std::stop_token& stop, std::uint64_t& uploaded_bytes) const
    try {
  // Images are kept, the lease is not: it would hold the epoch's overlay and count as a query.
  Images images;
  {
    const auto lease = epochs_.lease(CurrentEpoch{});
    if (!lease) return Promotion::none_needed;
    images = lease->epoch().images;
  }
  const Image& first = *images.front();

  Images usable;
  for (const auto& image : images) {
    if (image->healthy() || !is_on(*image, devices_)) usable.push_back(image);
  }
  if (usable.empty()) return Promotion::none_needed;  // nothing to promote from
  if (usable.size() < images.size()) {
    auto replaced = replace_(first, std::move(usable));
    if (!replaced) return forward_error(replaced);
    return *replaced ? Promotion::withdrawn : Promotion::overtaken;
  }

  Backend* const device = device_without(images, devices_);
  if (device == nullptr) return Promotion::none_needed;
  // From host memory, which is last: reading back from a device goes over the same bus.
  // An epoch that is current no more must not be kept in memory for the sake of its upload.
  const auto wanted = [&] { return !stop.stop_requested() && is_first_image(epochs_, first); };
  auto promoted = promote(*images.back(), *device, wanted);
  if (!promoted) {
    if (promoted.error().code == ErrorCode::cancelled && !stop.stop_requested()) {
      return Promotion::overtaken;
    }
    if (promoted.error().code == ErrorCode::device_out_of_memory) return Promotion::no_room_yet;
    return forward_error(promoted);
  }
  auto replaced = replace_(first, with_image(images, std::move(*promoted), devices_));
  if (!replaced) return forward_error(replaced);
  if (*replaced) uploaded_bytes = first.geometry().bytes();
  return *replaced ? Promotion::promoted : Promotion::overtaken;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for the list of an epoch's images");
}

void Promoter::start(std::chrono::milliseconds pause) {
  thread_ = std::jthread([this, pause](const std::stop_token& stop) { run(stop, pause); });
}

void Promoter::run(const std::stop_token& stop, std::chrono::milliseconds pause) const {
  std::mutex mutex;
  std::condition_variable_any end;
  int pauses = 1;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex);
      end.wait_for(lock, stop, pause * pauses, [] { return false; });
    }
    if (stop.stop_requested()) return;
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t uploaded_bytes = 0;
    const auto done = look(stop, uploaded_bytes);
    if (done) {
      pauses = 1;
      const bool worth_saying = *done != Promotion::none_needed && *done != Promotion::no_room_yet;
      const double seconds = seconds_since(start);
      spdlog::log(worth_saying ? spdlog::level::info : spdlog::level::debug,
                  "event=promotion outcome={} seconds={:.3f} bytes={} bytes_per_second={:.0f}",
                  text_of(*done), seconds, uploaded_bytes,
                  static_cast<double>(uploaded_bytes) / seconds);
      continue;
    }
    if (done.error().code == ErrorCode::cancelled) return;
    pauses = std::min(2 * pauses, longest_pauses);
    spdlog::warn("event=promotion outcome=failed code={} detail=\"{}\"", name(done.error().code),
                 done.error().message);
  }
}

Promoter::Replace replace_in(EpochTable& epochs) {
  return [&epochs](const Image& instead_of, Images images) -> Result<bool> {
    const auto lease = epochs.lease(CurrentEpoch{});
    if (!lease || lease->epoch().images.front().get() != &instead_of) return false;
    Epoch epoch = lease->epoch();
    epoch.images = std::move(images);
    auto prepared = epochs.prepare(std::move(epoch));
    if (!prepared) return forward_error(prepared);
    epochs.replace_representation(std::move(*prepared));
    return true;
  };
}

}  // namespace gyre::server
