#include "backends/device/simulated_device.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/dpf/expand.hpp"

namespace gyre::device {
namespace {

tl::unexpected<Error> misused() {
  return fail(ErrorCode::device_failed, "a copy or scan outside the memory that a device gave");
}

Error host_memory_exhausted() {
  return {ErrorCode::out_of_memory, "no host memory for what a simulated device holds"};
}

// Whether bytes offset … offset + count - 1 exist.
bool inside(std::uint64_t offset, std::uint64_t count, std::uint64_t size) noexcept {
  return offset <= size && count <= size - offset;
}

// What is not selected is added as zeros: the same work for every key. Rows have whole groups of
// four bytes.
void add_masked(std::byte* sum, const std::byte* record, std::uint64_t bytes,
                std::uint32_t mask) noexcept {
  for (std::uint64_t at = 0; at < bytes; at += sizeof(std::uint32_t)) {
    std::uint32_t a;
    std::uint32_t b;
    std::memcpy(&a, sum + at, sizeof a);
    std::memcpy(&b, record + at, sizeof b);
    a ^= b & mask;
    std::memcpy(sum + at, &a, sizeof a);
  }
}

// All ones if the bit is set.
std::uint32_t selection_mask(std::span<const std::byte> bits, std::uint64_t record) noexcept {
  return 0U - ((std::to_integer<std::uint32_t>(bits[record / 8]) >> (record % 8)) & 1U);
}

void add_overlay(const Geometry& geometry, const Query& query, std::span<const std::byte> selection,
                 std::byte* answer) noexcept {
  const std::uint64_t rows_per_record = query.kind == QueryKind::row ? 1 : geometry.rows_per_page;
  const std::uint64_t row_bytes = geometry.row_bytes;
  query.overlay->for_each([&](const OverlayBatch& batch) {
    const std::byte* difference = batch.differences.data();
    for (const std::uint64_t row : batch.rows) {
      add_masked(answer + row % rows_per_record * row_bytes, difference, row_bytes,
                 selection_mask(selection, row / rows_per_record));
      difference += row_bytes;
    }
  });
}

class PlainBuffer final : public HostBuffer {
 public:
  explicit PlainBuffer(std::uint64_t bytes) : bytes_(static_cast<std::size_t>(bytes)) {}
  [[nodiscard]] std::span<std::byte> bytes() noexcept override { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

std::uint64_t SimulatedDevice::used_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

Result<BufferId> SimulatedDevice::keep(std::shared_ptr<Memory> memory) try {
  const std::uint64_t bytes = memory->geometry.bytes();
  const std::lock_guard lock(mutex_);
  if (bytes > options_.capacity_bytes - used_bytes_) {
    return fail(ErrorCode::device_out_of_memory, "the device has no room for another image");
  }
  memory->bytes.resize(static_cast<std::size_t>(bytes));
  buffers_.emplace(next_id_, std::move(memory));
  used_bytes_ += bytes;
  return next_id_++;
} catch (const std::bad_alloc&) {
  return tl::unexpected(host_memory_exhausted());
} catch (const std::length_error&) {
  return tl::unexpected(host_memory_exhausted());
}

Result<BufferId> SimulatedDevice::allocate(const Geometry& geometry) try {
  auto memory = std::make_shared<Memory>();
  memory->geometry = geometry;
  return keep(std::move(memory));
} catch (const std::bad_alloc&) {
  return tl::unexpected(host_memory_exhausted());
}

// Shares nothing, but insists on what a device that does needs.
Result<BufferId> SimulatedDevice::allocate_copy(BufferId from,
                                                std::span<const ByteRange> writable) try {
  const auto source = find(from);
  if (!source) return misused();
  auto memory = std::make_shared<Memory>();
  memory->geometry = source->geometry;
  memory->writable.emplace(writable.begin(), writable.end());
  auto kept = keep(memory);
  if (kept) memory->bytes = source->bytes;
  return kept;
} catch (const std::bad_alloc&) {
  return tl::unexpected(host_memory_exhausted());
}

Result<std::unique_ptr<HostBuffer>> SimulatedDevice::host_buffer(std::uint64_t bytes) try {
  return std::make_unique<PlainBuffer>(bytes);
} catch (const std::bad_alloc&) {
  return tl::unexpected(host_memory_exhausted());
}

void SimulatedDevice::free(BufferId buffer) noexcept {
  std::shared_ptr<Memory> freed;  // after the lock: it may be large
  const std::lock_guard lock(mutex_);
  const auto found = buffers_.find(buffer);
  if (found == buffers_.end()) return;
  used_bytes_ -= found->second->bytes.size();
  freed = std::move(found->second);
  buffers_.erase(found);
}

std::shared_ptr<SimulatedDevice::Memory> SimulatedDevice::find(BufferId buffer) const {
  const std::lock_guard lock(mutex_);
  const auto found = buffers_.find(buffer);
  return found == buffers_.end() ? nullptr : found->second;
}

SimulatedDevice::Clock::time_point SimulatedDevice::after_transfer(std::uint64_t bytes) {
  const auto now = Clock::now();
  if (options_.bandwidth == 0) return now;
  const std::chrono::duration<double> seconds(static_cast<double>(bytes) /
                                              static_cast<double>(options_.bandwidth));
  const std::lock_guard lock(mutex_);
  bus_free_at_ = std::max(bus_free_at_, now) + std::chrono::duration_cast<Clock::duration>(seconds);
  return bus_free_at_;
}

Result<void> SimulatedDevice::copy_up(BufferId to, std::uint64_t offset,
                                      std::span<const std::byte> from) try {
  const auto memory = find(to);
  if (!memory || !inside(offset, from.size(), memory->bytes.size())) return misused();
  if (memory->writable &&
      std::none_of(memory->writable->begin(), memory->writable->end(), [&](const ByteRange& range) {
        return offset >= range.offset && inside(offset - range.offset, from.size(), range.bytes);
      })) {
    return misused();
  }
  memory->pending.push_back({offset, from, after_transfer(from.size())});
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::device_failed, "no memory to remember a copy");
}

Result<void> SimulatedDevice::synchronize(BufferId buffer) {
  const auto memory = find(buffer);
  if (!memory) return misused();
  for (const Copy& copy : memory->pending) {
    std::this_thread::sleep_until(copy.done_at);
    std::memcpy(memory->bytes.data() + copy.offset, copy.from.data(), copy.from.size());
  }
  memory->pending.clear();
  return {};
}

Result<void> SimulatedDevice::copy_down(BufferId from, std::uint64_t offset,
                                        std::span<std::byte> to) {
  const auto memory = find(from);
  if (!memory || !inside(offset, to.size(), memory->bytes.size())) return misused();
  if (options_.bandwidth != 0) std::this_thread::sleep_until(after_transfer(to.size()));
  std::copy_n(memory->bytes.data() + offset, to.size(), to.data());
  return {};
}

Result<void> SimulatedDevice::run(const Scan& scan, std::span<std::byte> answers) try {
  const auto memory = find(scan.rows);
  if (!memory) return misused();
  const Geometry& geometry = memory->geometry;
  std::byte* answer = answers.data();
  for (const Query& query : scan.queries) {
    const std::uint64_t bytes = geometry.answer_bytes(query.kind);
    const std::uint64_t records = geometry.records(query.kind);
    std::vector<dpf::Block> leaves;
    std::span<const std::byte> selection = query.selection;
    if (query.key != nullptr) {
      leaves.resize(dpf::leaves_for(records));
      dpf::expand(dpf::best_expansion_kernel(), *query.key, 0, leaves);
      selection = std::as_bytes(std::span(leaves));
    }
    std::fill_n(answer, bytes, std::byte{0});
    const std::byte* record = memory->bytes.data();
    for (std::uint64_t r = 0; r < records; ++r, record += bytes) {
      add_masked(answer, record, bytes, selection_mask(selection, r));
    }
    add_overlay(geometry, query, selection, answer);
    answer += bytes;
  }
  return {};
} catch (const std::bad_alloc&) {
  return tl::unexpected(host_memory_exhausted());
}

}  // namespace gyre::device
