#include "backends/cuda/cuda_device.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace gyre::cuda {
namespace {

constexpr std::uint64_t word_bytes = sizeof(std::uint32_t);

// Of rows that pass through a lane at a time.
constexpr std::uint64_t lane_bytes = std::uint64_t{4} << 20U;

tl::unexpected<Error> misused() {
  return fail(ErrorCode::device_failed, "a copy or pass outside the memory that a device gave");
}

tl::unexpected<Error> host_memory_exhausted() {
  return fail(ErrorCode::out_of_memory, "no host memory to drive a device with");
}

TableLayout layout_of(const Geometry& geometry) noexcept {
  return {.pages = geometry.pages(),
          .page_words = static_cast<std::uint32_t>(geometry.page_bytes() / word_bytes),
          .row_words = static_cast<std::uint32_t>(geometry.row_bytes / word_bytes)};
}

// Whether words offset … offset + count - 1, in bytes, exist.
bool inside(std::uint64_t offset, std::uint64_t count, const Geometry& geometry) noexcept {
  return offset % word_bytes == 0 && count % word_bytes == 0 && offset <= geometry.bytes() &&
         count <= geometry.bytes() - offset;
}

class PinnedBuffer final : public device::HostBuffer {
 public:
  explicit PinnedBuffer(PinnedMemory memory) noexcept : memory_(std::move(memory)) {}
  [[nodiscard]] std::span<std::byte> bytes() noexcept override {
    return {memory_.as<std::byte>(), memory_.bytes()};
  }

 private:
  PinnedMemory memory_;
};

class PlainBuffer final : public device::HostBuffer {
 public:
  explicit PlainBuffer(std::uint64_t bytes) : bytes_(static_cast<std::size_t>(bytes)) {}
  [[nodiscard]] std::span<std::byte> bytes() noexcept override { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

CudaDevice::~CudaDevice() = default;

Result<device::BufferId> CudaDevice::allocate(const Geometry& geometry) try {
  const TableLayout layout = layout_of(geometry);
  auto memory = TableMemory::create(gpu_, used_bytes_, layout.words());
  if (!memory) return forward_error(memory);
  return keep(std::make_shared<Table>(Table{geometry, layout, std::move(*memory), nullptr}));
} catch (const std::bad_alloc&) {
  return host_memory_exhausted();
}

device::BufferId CudaDevice::keep(std::shared_ptr<Table> table) {
  const std::lock_guard lock(mutex_);
  tables_.emplace(next_id_, std::move(table));
  return next_id_++;
}

Result<device::BufferId> CudaDevice::allocate_copy(
    device::BufferId from, std::span<const device::ByteRange> writable) try {
  const auto source = find(from);
  if (!source) return misused();
  std::vector<WordRange> ranges;
  for (const device::ByteRange& range : writable) {
    if (!inside(range.offset, range.bytes, source->geometry)) return misused();
    ranges.push_back(
        source->layout.image_words(range.offset / word_bytes, range.bytes / word_bytes));
  }
  auto memory = source->memory.copy_to_write(ranges);
  if (!memory) return forward_error(memory);
  auto lane = take_lane();
  if (!lane) return forward_error(lane);
  auto copied = memory->copy_owned(*(*lane)->stream, source->memory);
  auto done = (*lane)->stream->synchronize();
  give_back(std::move(*lane));
  if (!copied) return forward_error(copied);
  if (!done) return forward_error(done);
  return keep(std::make_shared<Table>(
      Table{source->geometry, source->layout, std::move(*memory), nullptr}));
} catch (const std::bad_alloc&) {
  return host_memory_exhausted();
}

void CudaDevice::free(device::BufferId buffer) noexcept {
  std::shared_ptr<Table> freed;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tables_.find(buffer);
    if (found == tables_.end()) return;
    freed = std::move(found->second);
    tables_.erase(found);
  }
  // A copy that is under way writes into the memory; a device that cannot wait is lost.
  if (freed->uploading) static_cast<void>(freed->uploading->stream->synchronize());
}

std::shared_ptr<CudaDevice::Table> CudaDevice::find(device::BufferId buffer) const {
  const std::lock_guard lock(mutex_);
  const auto found = tables_.find(buffer);
  return found == tables_.end() ? nullptr : found->second;
}

Result<std::unique_ptr<device::HostBuffer>> CudaDevice::host_buffer(std::uint64_t bytes) try {
  auto pinned = PinnedMemory::create(gpu_, bytes);
  if (pinned) return std::make_unique<PinnedBuffer>(std::move(*pinned));
  if (pinned.error().code != ErrorCode::out_of_memory) return forward_error(pinned);
  return std::make_unique<PlainBuffer>(bytes);
} catch (const std::bad_alloc&) {
  return host_memory_exhausted();
}

Result<std::unique_ptr<CudaDevice::Lane>> CudaDevice::take_lane() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_lanes_.empty()) {
      auto lane = std::move(idle_lanes_.back());
      idle_lanes_.pop_back();
      return lane;
    }
  }
  auto lane = std::make_unique<Lane>();
  auto stream = gpu_->make_stream(StreamUse::copies);
  if (!stream) return forward_error(stream);
  lane->stream = std::move(*stream);
  if (auto reserved = lane->rows.reserve(gpu_, lane_bytes); !reserved) {
    return forward_error(reserved);
  }
  return lane;
}

void CudaDevice::give_back(std::unique_ptr<Lane> lane) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    idle_lanes_.push_back(std::move(lane));
  } catch (const std::bad_alloc&) {
    lane.reset();  // another is made when one is needed
  }
}

Result<void> CudaDevice::copy_up(device::BufferId to, std::uint64_t offset,
                                 std::span<const std::byte> from) try {
  const auto table = find(to);
  if (!table || !inside(offset, from.size(), table->geometry) ||
      !table->memory.owns(
          table->layout.image_words(offset / word_bytes, from.size() / word_bytes))) {
    return misused();
  }
  if (!table->uploading) {
    auto lane = take_lane();
    if (!lane) return forward_error(lane);
    table->uploading = std::move(*lane);
  }
  return send(*table, *table->uploading, offset, from);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::device_failed, "no host memory to drive a copy with");
}

Result<void> CudaDevice::send(const Table& table, Lane& lane, std::uint64_t offset,
                              std::span<const std::byte> from) {
  while (!from.empty()) {
    const auto piece = from.first(std::min<std::size_t>(from.size(), lane_bytes));
    auto* const rows = lane.rows.as<std::uint32_t>();
    if (auto sent = lane.stream->copy_up(rows, piece.data(), piece.size()); !sent) return sent;
    const InsertStep step{.layout = table.layout,
                          .image = table.memory.words(),
                          .source = rows,
                          .first_word = offset / word_bytes,
                          .count = piece.size() / word_bytes};
    if (auto inserted = lane.stream->run(step); !inserted) return inserted;
    offset += piece.size();
    from = from.subspan(piece.size());
  }
  return {};
}

Result<void> CudaDevice::synchronize(device::BufferId buffer) {
  const auto table = find(buffer);
  if (!table) return misused();
  if (!table->uploading) return {};
  auto done = table->uploading->stream->synchronize();
  give_back(std::exchange(table->uploading, nullptr));
  return done;
}

Result<void> CudaDevice::copy_down(device::BufferId from, std::uint64_t offset,
                                   std::span<std::byte> to) try {
  const auto table = find(from);
  if (!table || !inside(offset, to.size(), table->geometry)) return misused();
  auto lane = take_lane();
  if (!lane) return forward_error(lane);
  auto fetched = fetch(*table, **lane, offset, to);
  const auto done = (*lane)->stream->synchronize();
  give_back(std::move(*lane));
  return fetched ? done : fetched;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::device_failed, "no host memory to drive a copy with");
}

Result<void> CudaDevice::fetch(const Table& table, Lane& lane, std::uint64_t offset,
                               std::span<std::byte> to) {
  while (!to.empty()) {
    const auto piece = to.first(std::min<std::size_t>(to.size(), lane_bytes));
    const ExtractStep step{.layout = table.layout,
                           .image = table.memory.words(),
                           .out = lane.rows.as<std::uint32_t>(),
                           .first_word = offset / word_bytes,
                           .count = piece.size() / word_bytes};
    if (auto extracted = lane.stream->run(step); !extracted) return extracted;
    if (auto sent = lane.stream->copy_down(piece.data(), step.out, piece.size()); !sent) {
      return sent;
    }
    offset += piece.size();
    to = to.subspan(piece.size());
  }
  return {};
}

Result<void> CudaDevice::run(const device::Scan& scan, std::span<std::byte> answers) try {
  const auto table = find(scan.rows);
  if (!table) return misused();
  const std::lock_guard lock(pass_mutex_);
  if (!runner_) {
    auto made = PassRunner::create(gpu_, limits_);
    if (!made) return forward_error(made);
    runner_ = std::move(*made);
  }
  return runner_->run(table->memory.words(), table->layout, scan.queries, answers);
} catch (const std::bad_alloc&) {
  return host_memory_exhausted();
}

}  // namespace gyre::cuda
