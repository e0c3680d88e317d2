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

class TransferBuffer final : public device::HostBuffer {
 public:
  explicit TransferBuffer(TransferMemory memory) noexcept : memory_(std::move(memory)) {}
  [[nodiscard]] std::span<std::byte> bytes() noexcept override { return memory_.bytes(); }

 private:
  TransferMemory memory_;
};

}  // namespace

CudaDevice::~CudaDevice() = default;

void CudaDevice::hold() noexcept {
  const std::lock_guard lock(mutex_);
  ++holds_;
}

void CudaDevice::let_go() noexcept {
  const std::lock_guard pass_lock(pass_mutex_);
  const std::lock_guard lock(mutex_);
  if (--holds_ > 0) return;
  idle_lanes_.clear();
  runner_.reset();
  count_runner();
}

Result<void> CudaDevice::make_runner() {
  if (runner_) return {};
  auto made = PassRunner::create(gpu_, limits_);
  if (!made) return forward_error(made);
  runner_ = std::move(*made);
  return {};
}

void CudaDevice::count_runner() noexcept {
  const std::uint64_t bytes = runner_ ? runner_->memory_bytes() : 0;
  *used_bytes_ += bytes - counted_runner_bytes_;
  counted_runner_bytes_ = bytes;
}

Result<void> CudaDevice::expect_room(const TableLayout& layout) {
  const std::lock_guard lock(pass_mutex_);
  if (auto made = make_runner(); !made) return made;
  const auto free = gpu_->free_bytes();
  if (!free) return tl::unexpected<Error>(free.error());
  if (layout.words() * word_bytes + runner_->missing_bytes(layout, 1, 0) <= *free) return {};
  return fail(ErrorCode::device_out_of_memory,
              "the GPU has no room for such a table and for what a pass over it works with");
}

Result<std::uint32_t> CudaDevice::make_room_for_passes(const TableLayout& layout) {
  const std::lock_guard lock(pass_mutex_);
  if (auto made = make_runner(); !made) return forward_error(made);
  // A table that nobody can ask anything is of no use. More at once are only faster.
  if (auto one = runner_->reserve(layout, 1, 0); !one) return forward_error(one);
  std::uint32_t queries = limits_.batch;
  std::uint64_t overlay_bytes = std::min(limits_.overlay_bytes, layout.words() * word_bytes);
  for (;; queries = std::max(queries / 2, 1U), overlay_bytes /= 2) {
    auto more = runner_->reserve(layout, queries, overlay_bytes);
    if (more) break;  // at the latest with what is there already
    if (more.error().code != ErrorCode::device_out_of_memory) return forward_error(more);
  }
  count_runner();
  return queries;
}

Result<device::BufferId> CudaDevice::allocate(const Geometry& geometry) try {
  Hold hold(*this);
  const TableLayout layout = layout_of(geometry);
  // Rows will need one on their way.
  auto lane = take_lane();
  if (!lane) return forward_error(lane);
  give_back(std::move(*lane));
  const std::lock_guard lock(allocating_);
  if (auto expected = expect_room(layout); !expected) return forward_error(expected);
  auto memory = TableMemory::create(gpu_, used_bytes_, layout.words());
  if (!memory) return forward_error(memory);
  auto batch = make_room_for_passes(layout);
  if (!batch) return forward_error(batch);
  return keep(std::make_shared<Table>(
      Table{std::move(hold), geometry, layout, std::move(*memory), *batch, nullptr}));
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
  Hold hold(*this);
  std::vector<WordRange> ranges;
  for (const device::ByteRange& range : writable) {
    if (!inside(range.offset, range.bytes, source->geometry)) return misused();
    ranges.push_back(
        source->layout.image_words(range.offset / word_bytes, range.bytes / word_bytes));
  }
  auto memory = [&] {
    const std::lock_guard lock(allocating_);
    return source->memory.copy_to_write(ranges);
  }();
  if (!memory) return forward_error(memory);
  auto lane = take_lane();
  if (!lane) return forward_error(lane);
  auto copied = memory->copy_owned(*(*lane)->stream, source->memory);
  auto done = (*lane)->stream->synchronize();
  give_back(std::move(*lane));
  if (!copied) return forward_error(copied);
  if (!done) return forward_error(done);
  return keep(std::make_shared<Table>(Table{std::move(hold), source->geometry, source->layout,
                                            std::move(*memory), source->batch, nullptr}));
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
  auto memory = TransferMemory::create(gpu_, bytes);
  if (!memory) return forward_error(memory);
  return std::make_unique<TransferBuffer>(std::move(*memory));
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
  auto done = run_pass(*table, scan, answers);
  if (done || done.error().code != ErrorCode::device_out_of_memory) return done;
  // Memory that is missing may be that of a table under way, which may yet find too little itself.
  const std::lock_guard lock(allocating_);
  return run_pass(*table, scan, answers);
} catch (const std::bad_alloc&) {
  return host_memory_exhausted();
}

Result<void> CudaDevice::run_pass(const Table& table, const device::Scan& scan,
                                  std::span<std::byte> answers) {
  const std::lock_guard lock(pass_mutex_);
  if (auto made = make_runner(); !made) return made;
  auto done = runner_->run(table.memory.words(), table.layout, scan.queries, answers, table.batch);
  count_runner();
  return done;
}

}  // namespace gyre::cuda
