#include "backends/device/device_image.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>
#include <vector>

#include "core/fault_point.hpp"

namespace gyre::device {
namespace {

Result<void> bring_down(DeviceMemory& memory, std::uint64_t offset, std::span<std::byte> to) {
  GYRE_FAULT_POINT(device_read);
  return memory.device().copy_down(memory.buffer(), offset, to);
}

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
    if (auto got = bring_down(memory_, offset, changed_); !got) return got;
    for (const std::uint64_t row : rows) {
      overlay.apply_to_row(
          row, std::span(changed_).subspan((row - rows.front()) * row_bytes, row_bytes));
    }
    if (auto sent = send(offset); !sent) return sent;
    if (auto got = bring_down(memory_, offset, read_back_); !got) return got;
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
    GYRE_FAULT_POINT(device_sync);
    if (sent && waited) return {};
    return fail(ErrorCode::device_upload_failed, "updated rows could not be copied to the device");
  }

  const Geometry& geometry_;
  DeviceMemory& memory_;
  std::vector<std::byte> changed_;
  std::vector<std::byte> read_back_;
};

// Rows of an overlay, in order, and those between them that travel with them.
struct RowsTogether {
  std::vector<std::uint64_t>::const_iterator begin;
  std::vector<std::uint64_t>::const_iterator end;
};

std::vector<RowsTogether> windows_of(const std::vector<std::uint64_t>& rows,
                                     const Geometry& geometry) {
  std::vector<RowsTogether> windows;
  for (auto first = rows.begin(); first != rows.end();) {
    const std::uint64_t beyond = *first + window_bytes / geometry.row_bytes + 1;
    const auto last = std::lower_bound(first, rows.end(), beyond);
    windows.push_back({first, last});
    first = last;
  }
  return windows;
}

Result<DeviceMemory> copy_to_write(const DeviceMemory& original, const Geometry& geometry,
                                   std::span<const RowsTogether> windows) {
  GYRE_FAULT_POINT(device_alloc);
  std::vector<ByteRange> writable;
  writable.reserve(windows.size());
  for (const RowsTogether& rows : windows) {
    const std::uint64_t first = *rows.begin;
    const std::uint64_t last = *std::prev(rows.end);
    writable.push_back({first * geometry.row_bytes, (last - first + 1) * geometry.row_bytes});
  }
  return original.copy(writable);
}

}  // namespace

tl::unexpected<Error> DeviceImage::failed(Error error) const {
  // Room for passes is made when an image is: where it does not suffice, the next one finds no
  // more, and would be tried in vain before every answer. A new image makes room anew, or is
  // refused.
  if (error.code == ErrorCode::device_failed || error.code == ErrorCode::device_out_of_memory) {
    healthy_.store(false);
  }
  memory_.device().failures().add(error);
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
  const std::vector<std::uint64_t> rows = rows_of(overlay);
  const std::vector<RowsTogether> windows = windows_of(rows, geometry_);
  auto memory = copy_to_write(memory_, geometry_, windows);
  if (!memory) return forward_error(memory);
  Window window(geometry_, *memory);
  for (const RowsTogether& together : windows) {
    if (auto updated = window.update(overlay, {together.begin, together.end}); !updated) {
      return forward_error(updated);
    }
  }
  return std::make_shared<const DeviceImage>(geometry_, std::move(*memory));
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for an updated image");
}

}  // namespace gyre::device
