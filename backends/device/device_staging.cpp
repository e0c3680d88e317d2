#include "backends/device/device_staging.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "backends/device/device_image.hpp"
#include "core/fault_point.hpp"

namespace gyre::device {
namespace {

// Large enough for a bus to be busy, small against any table that is worth a device.
constexpr std::uint64_t buffer_bytes = std::uint64_t{4} << 20U;

tl::unexpected<Error> upload_failed() {
  return fail(ErrorCode::device_upload_failed,
              "rows could not be copied to the device; its memory was given back");
}

Result<DeviceMemory> allocate(std::shared_ptr<Device> device, const Geometry& geometry) {
  GYRE_FAULT_POINT(device_alloc);
  return DeviceMemory::allocate(std::move(device), geometry);
}

}  // namespace

Result<std::unique_ptr<Staging>> DeviceStaging::create(std::shared_ptr<Device> device,
                                                       const Geometry& geometry) try {
  auto memory = allocate(std::move(device), geometry);
  if (!memory) return forward_error(memory);
  Buffers buffers;
  for (auto& buffer : buffers) {
    auto made = memory->device().host_buffer(std::min(buffer_bytes, geometry.bytes()));
    if (!made) return forward_error(made);
    buffer = std::move(*made);
  }
  return std::make_unique<DeviceStaging>(geometry, std::move(*memory), std::move(buffers));
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no host memory to upload rows from");
}

DeviceStaging::~DeviceStaging() {
  give_up();
}

Result<void> DeviceStaging::write(std::uint64_t first_row, std::span<const std::byte> rows) {
  if (!memory_) {
    return fail(ErrorCode::geometry_mismatch,
                "a staging area that failed or is sealed takes no rows");
  }
  if (rows.size() % geometry_.row_bytes != 0) {
    give_up();
    return fail(ErrorCode::misaligned_size, "rows must come whole");
  }
  const std::uint64_t count = rows.size() / geometry_.row_bytes;
  if (first_row != written_rows_ || count > geometry_.rows - written_rows_) {
    give_up();
    return fail(ErrorCode::geometry_mismatch,
                "rows must come in order, each once, and no more than the table has");
  }
  if (auto stored = store(rows); !stored) {
    give_up();
    return stored;
  }
  written_rows_ += count;
  return {};
}

Result<void> DeviceStaging::store(std::span<const std::byte> rows) {
  while (!rows.empty()) {
    const std::span<std::byte> buffer = buffers_[filling_]->bytes();
    const std::size_t some = std::min(rows.size(), buffer.size() - filled_bytes_);
    std::memcpy(buffer.data() + filled_bytes_, rows.data(), some);
    filled_bytes_ += some;
    rows = rows.subspan(some);
    if (filled_bytes_ < buffer.size()) continue;
    if (auto sent = send_filled(); !sent) return sent;
  }
  return {};
}

Result<void> DeviceStaging::send_filled() {
  if (auto waited = wait_for_copies(); !waited) return waited;
  std::span<const std::byte> filled = buffers_[filling_]->bytes().first(filled_bytes_);
  GYRE_FAULT_POINT_OF_BYTES(device_upload, filled);
  if (!memory_->device().copy_up(memory_->buffer(), uploaded_bytes_, filled)) {
    return upload_failed();
  }
  uploaded_bytes_ += filled_bytes_;
  filled_bytes_ = 0;
  filling_ = 1 - filling_;
  return {};
}

Result<void> DeviceStaging::wait_for_copies() {
  GYRE_FAULT_POINT(device_sync);
  if (!memory_->device().synchronize(memory_->buffer())) return upload_failed();
  return {};
}

void DeviceStaging::give_up() noexcept {
  // A copy that is under way reads a buffer: wait before the buffer goes. A device that cannot even
  // do that is lost and copies nothing any more.
  if (memory_) static_cast<void>(memory_->device().synchronize(memory_->buffer()));
  memory_.reset();
  buffers_ = {};
}

Result<std::shared_ptr<const Image>> DeviceStaging::seal() {
  if (!memory_ || written_rows_ != geometry_.rows) {
    give_up();
    return fail(ErrorCode::geometry_mismatch,
                "every row must be written before an image is sealed");
  }
  const auto finish = [this]() -> Result<void> {
    if (filled_bytes_ > 0) {
      if (auto sent = send_filled(); !sent) return sent;
    }
    if (auto waited = wait_for_copies(); !waited) return waited;
    GYRE_FAULT_POINT(staging_seal);
    return {};
  };
  if (auto finished = finish(); !finished) {
    give_up();
    return forward_error(finished);
  }
  buffers_ = {};
  try {
    DeviceMemory memory = std::move(*memory_);
    memory_.reset();
    return std::make_shared<const DeviceImage>(geometry_, std::move(memory));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for an image");
  }
}

}  // namespace gyre::device
