#include "harness/server/snapshot_origin.hpp"

#include <spdlog/spdlog.h>

#include <new>
#include <utility>

namespace gyre::server {
namespace {

class StagingInAllPlaces final : public ImagesStaging {
 public:
  explicit StagingInAllPlaces(StagingSet staging) : staging_(std::move(staging)) {}

  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override {
    return staging_.write(first_row, rows);
  }
  [[nodiscard]] Result<Images> seal() override {
    auto images = staging_.seal();
    const DeviceUpload& upload = staging_.device_upload();
    if (images && upload.seconds > 0) {
      spdlog::info("event=upload seconds={:.3f} bytes={} bytes_per_second={:.0f}", upload.seconds,
                   upload.bytes, static_cast<double>(upload.bytes) / upload.seconds);
    }
    return images;
  }

 private:
  StagingSet staging_;
};

}  // namespace

StageImages stage_in(std::vector<Backend*> backends, HostImages host_images) {
  return [places = std::move(backends),
          host_images](const Geometry& geometry) -> Result<std::unique_ptr<ImagesStaging>> {
    auto staging = StagingSet::create(places, geometry, host_images);
    if (!staging) return forward_error(staging);
    try {
      return std::make_unique<StagingInAllPlaces>(std::move(*staging));
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::out_of_memory, "there is not enough memory for a staging area");
    }
  };
}

}  // namespace gyre::server
