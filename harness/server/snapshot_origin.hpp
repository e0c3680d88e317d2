// The seams of a rotation: where snapshots come from, and where their rows become images.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch.hpp"
#include "core/error.hpp"
#include "core/staging_set.hpp"

namespace gyre::server {

// Opens what an address names, if the operator allows it. Thread-safe.
class SnapshotOrigin {
 public:
  // One thread at a time.
  class Stream {
   public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;

    // Bytes in all, if the origin has said so.
    [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
    // Waits for some of the next bytes; 0: there are no more. Errors: source_failed,
    // source_timed_out, request_too_large (more than was allowed), io_failed, cancelled.
    [[nodiscard]] virtual Result<std::size_t> read(std::span<std::byte> out) = 0;
  };

  SnapshotOrigin() = default;
  SnapshotOrigin(const SnapshotOrigin&) = delete;
  SnapshotOrigin& operator=(const SnapshotOrigin&) = delete;
  virtual ~SnapshotOrigin() = default;

  // The stream gives up soon after `stop` was requested, and after max_bytes. Errors:
  // unsupported_url, source_not_allowed, those of read().
  [[nodiscard]] virtual Result<std::unique_ptr<Stream>> open(const std::string& url,
                                                             std::uint64_t max_bytes,
                                                             std::stop_token stop) = 0;
  // The address of a plain file name beside `url`. Errors: unsupported_url.
  [[nodiscard]] virtual Result<std::string> beside(const std::string& url,
                                                   const std::string& file) const = 0;
};

// Rows on their way into all images of one epoch. Like Staging, for several places at once.
class ImagesStaging {
 public:
  ImagesStaging() = default;
  ImagesStaging(const ImagesStaging&) = delete;
  ImagesStaging& operator=(const ImagesStaging&) = delete;
  virtual ~ImagesStaging() = default;

  [[nodiscard]] virtual Result<void> write(std::uint64_t first_row,
                                           std::span<const std::byte> rows) = 0;
  // The preferred image first.
  [[nodiscard]] virtual Result<Images> seal() = 0;
};

using StageImages = std::function<Result<std::unique_ptr<ImagesStaging>>(const Geometry&)>;

// Images in all of these places at once, the preferred first, as StagingSet does it: a device that
// has no room gets its image later. The backends must outlive what it returns.
[[nodiscard]] StageImages stage_in(std::vector<Backend*> backends,
                                   HostImages host_images = HostImages::unchecked);

}  // namespace gyre::server
