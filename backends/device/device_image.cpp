#include "backends/device/device_image.hpp"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "core/fault_point.hpp"

namespace gyre::device {
namespace {

// Updated rows no further apart than this travel together.
constexpr std::uint64_t window_bytes = std::uint64_t{64} << 10U;

// The rows that the overlay has, each once, in order.
std::vector<std::uint64_t> rows_of(const Overlay& overlay) {
  std::vector<std::uint64_t> rows;
  rows.reserve(overlay.rows());
  overlay.for_each([&](const OverlayBatch& batch) {
    rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
  });
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

// Rows that lie near each other: brought down, changed, sent up, and read back.
class Window {
 public:
  Window(const Geometry& geometry, DeviceMemory& memory) : geometry_(geometry), memory_(memory) {}

  Result<void> update(const Overlay& overlay, std::span<const std::uint64_t> rows) {
    const std::uint64_t row_bytes = geometry_.row_bytes;
    const std::uint64_t offset = rows.front() * row_bytes;
    changed_.resize((rows.back() - rows.front() + 1) * row_bytes);
    read_back_.resize(changed_.size());
    Device& device = memory_.device();
    if (auto got = device.copy_down(memory_.buffer(), offset, changed_); !got) return got;
    for (const std::uint64_t row : rows) {
      overlay.apply_to_row(
          row, std::span(changed_).subspan((row - rows.front()) * row_bytes, row_bytes));
    }
    if (auto sent = send(offset); !sent) return sent;
    if (auto got = device.copy_down(memory_.buffer(), offset, read_back_); !got) return got;
    if (changed_ == read_back_) return {};
    return fail(ErrorCode::image_corrupt,
                "updated rows on a device are not what was sent there; the image was dropped");
  }

 private:
  Result<void> send(std::uint64_t offset) {
    std::span<const std::byte> changed = changed_;
    GYRE_FAULT_POINT_OF_BYTES(device_upload, changed);
    Device& device = memory_.device();
    const auto sent = device.copy_up(memory_.buffer(), offset, changed);
    // Waited for even then: a copy may be under way and reads from here.
    const auto waited = device.synchronize(memory_.buffer());
    if (sent && waited) return {};
    return fail(ErrorCode::device_upload_failed, "updated rows could not be copied to the device");
  }

  const Geometry& geometry_;
  DeviceMemory& memory_;
  std::vector<std::byte> changed_;
  std::vector<std::byte> read_back_;
};

Result<DeviceMemory> allocate_copy(const DeviceMemory& original, const Geometry& geometry) {
  GYRE_FAULT_POINT(device_alloc);
  return DeviceMemory::allocate(original.shared_device(), geometry);
}

}  // namespace

tl::unexpected<Error> DeviceImage::failed(Error error) const {
  // A pass for which there is no room now says nothing about the next one.
  if (error.code == ErrorCode::device_failed) healthy_.store(false);
  return tl::unexpected<Error>(std::move(error));
}

Result<void> DeviceImage::answer(const Pass& pass, std::span<std::byte> answers) const {
  GYRE_FAULT_POINT(query_scan);
  if (pass.queries.empty()) return {};
  if (auto done = memory_.device().run({memory_.buffer(), pass.queries}, answers); !done) {
    return failed(std::move(done.error()));
  }
  return {};
}

Result<void> DeviceImage::read_rows(std::uint64_t first_row, std::span<std::byte> out) const {
  auto read = memory_.device().copy_down(memory_.buffer(), first_row * geometry_.row_bytes, out);
  if (!read) return failed(std::move(read.error()));
  return {};
}

Result<std::shared_ptr<const Image>> DeviceImage::with_updates(const Overlay& overlay) const try {
  GYRE_FAULT_POINT(device_copy);
  auto memory = allocate_copy(memory_, geometry_);
  if (!memory) return forward_error(memory);
  Device& device = memory->device();
  if (auto copied = device.copy_across(memory_.buffer(), memory->buffer()); !copied) {
    return forward_error(copied);
  }
  Window window(geometry_, *memory);
  const std::vector<std::uint64_t> rows = rows_of(overlay);
  for (auto first = rows.begin(); first != rows.end();) {
    const std::uint64_t beyond = *first + window_bytes / geometry_.row_bytes + 1;
    const auto last = std::lower_bound(first, rows.end(), beyond);
    if (auto updated = window.update(overlay, {first, last}); !updated) {
      return forward_error(updated);
    }
    first = last;
  }
  return std::make_shared<const DeviceImage>(geometry_, std::move(*memory));
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for an updated image");
}

}  // namespace gyre::device
