#include "harness/server/snapshot_origin.hpp"

#include <utility>

namespace gyre::server {
namespace {

class StagingInOnePlace final : public ImagesStaging {
 public:
  explicit StagingInOnePlace(std::unique_ptr<Staging> staging) : staging_(std::move(staging)) {}

  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override {
    return staging_->write(first_row, rows);
  }
  [[nodiscard]] Result<Images> seal() override {
    auto image = staging_->seal();
    if (!image) return forward_error(image);
    return Images{std::move(*image)};
  }

 private:
  std::unique_ptr<Staging> staging_;
};

}  // namespace

StageImages stage_in(Backend& backend) {
  return [&backend](const Geometry& geometry) -> Result<std::unique_ptr<ImagesStaging>> {
    auto staging = backend.stage(geometry);
    if (!staging) return forward_error(staging);
    return std::make_unique<StagingInOnePlace>(std::move(*staging));
  };
}

}  // namespace gyre::server
