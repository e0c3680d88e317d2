#include "backends/cpu/cpu_staging.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "backends/cpu/group_homes.hpp"
#include "core/bytes.hpp"
#include "core/fault_point.hpp"

namespace gyre::cpu {
namespace {

// Row bytes of one page that one task brings into the layout, a multiple of 8; times eight pages.
constexpr std::uint64_t task_page_bytes = 32U << 10U;

}  // namespace

Result<std::unique_ptr<Staging>> CpuStaging::create(std::shared_ptr<Core> core,
                                                    const Geometry& geometry) {
  GYRE_FAULT_POINT(host_alloc);
  const InterleavedLayout layout(geometry);
  const std::uint64_t group_bytes = layout.groups() > 0 ? layout.group_bytes() : 0;
  // All of it in one step: a table that does not fit is refused before anything of it is mapped.
  auto reservation = MemoryReservation::make(
      Storage::bytes_for(layout) + HugeBuffer::mapped_bytes_for(group_bytes), core->memory());
  if (!reservation) return forward_error(reservation);
  auto storage = Storage::allocate(layout, *reservation);
  if (!storage) return forward_error(storage);
  auto group = HugeBuffer::allocate(group_bytes, *reservation);
  if (!group) return forward_error(group);
  try {
    return std::make_unique<CpuStaging>(std::move(core), geometry, std::move(*storage),
                                        std::move(*group));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for a staging area");
  }
}

CpuStaging::CpuStaging(std::shared_ptr<Core> core, const Geometry& geometry, Storage storage,
                       HugeBuffer group) noexcept
    : core_(std::move(core)),
      geometry_(geometry),
      layout_(geometry),
      storage_(std::move(storage)),
      group_(std::move(group)) {}

Result<void> CpuStaging::write(std::uint64_t first_row, std::span<const std::byte> rows) {
  if (unusable_) {
    return fail(ErrorCode::geometry_mismatch,
                "a staging area that failed or is sealed takes no rows");
  }
  unusable_ = true;  // until this write has succeeded
  if (rows.size() % geometry_.row_bytes != 0) {
    return fail(ErrorCode::misaligned_size, "rows must come whole");
  }
  const std::uint64_t written_rows = written_bytes_ / geometry_.row_bytes;
  if (first_row != written_rows ||
      rows.size() / geometry_.row_bytes > geometry_.rows - written_rows) {
    return fail(ErrorCode::geometry_mismatch,
                "rows must come in order, each once, and no more than the table has");
  }
  if (auto stored = store(rows); !stored) return forward_error(stored);
  unusable_ = false;
  return {};
}

Result<void> CpuStaging::store(std::span<const std::byte> rows) {
  const std::uint64_t group_bytes = layout_.group_bytes();
  const auto* from = reinterpret_cast<const std::uint8_t*>(rows.data());
  std::uint64_t left = rows.size();
  const auto advance = [&](std::uint64_t bytes) {
    from += bytes;
    left -= bytes;
    written_bytes_ += bytes;
  };
  while (left > 0 && written_bytes_ < layout_.interleaved_bytes()) {
    const std::uint64_t group = written_bytes_ / group_bytes;
    const std::uint64_t in_group = written_bytes_ % group_bytes;
    if (in_group == 0 && left >= group_bytes) {
      const std::uint64_t groups = std::min(left / group_bytes, layout_.groups() - group);
      auto done = interleave_groups(group, groups, from);
      if (!done) return done;
      advance(groups * group_bytes);
      continue;
    }
    const std::uint64_t bytes = std::min(left, group_bytes - in_group);
    std::memcpy(group_.data() + in_group, from, bytes);
    advance(bytes);
    if (in_group + bytes == group_bytes) {
      auto done = interleave_groups(group, 1, group_.data());
      if (!done) return done;
    }
  }
  if (left > 0) {
    std::memcpy(storage_.tail->data() + (written_bytes_ - layout_.interleaved_bytes()), from, left);
    advance(left);
  }
  return {};
}

Result<void> CpuStaging::interleave_groups(std::uint64_t first_group, std::uint64_t groups,
                                           const std::uint8_t* rows) {
  // A task is part of a group's pages where pages are large, several groups where they are small.
  const std::uint64_t page_bytes = geometry_.page_bytes();
  const std::uint64_t parts = divide_rounding_up(page_bytes, task_page_bytes);
  const std::uint64_t groups_per_task = std::max<std::uint64_t>(1, task_page_bytes / page_bytes);
  const std::uint64_t tasks = divide_rounding_up(groups, groups_per_task) * parts;
  const ScanFunctions& functions = *core_->scan().functions;
  Executor& executor = core_->executor();
  const GroupHomes homes(layout_, parts_of_table(geometry_, layout_, core_->part_bounds()),
                         executor.nodes());
  const auto home = [&](std::size_t task) {
    return homes.of_group(first_group + task / parts * groups_per_task);
  };
  const auto convert = [&](std::size_t task) {
    const std::uint64_t first_byte = task % parts * task_page_bytes;
    const std::uint64_t bytes = std::min(task_page_bytes, page_bytes - first_byte);
    const std::uint64_t begin = task / parts * groups_per_task;
    const std::uint64_t end = std::min(begin + groups_per_task, groups);
    for (std::uint64_t i = begin; i < end; ++i) {
      const std::uint64_t group = first_group + i;
      std::uint8_t* const columns = storage_.chunks[group / layout_.groups_per_chunk()]->data() +
                                    group % layout_.groups_per_chunk() * layout_.group_bytes() +
                                    8 * first_byte;
      functions.interleave(rows + i * layout_.group_bytes() + first_byte, page_bytes, bytes,
                           columns);
    }
  };
  // The first touch of the image's memory: it comes to lie near the threads that will scan it.
  return executor.parallel_for_at_home(tasks, home, OtherNodes::stay_out, convert);
}

Result<std::shared_ptr<const Image>> CpuStaging::seal() {
  if (unusable_ || written_bytes_ != geometry_.bytes()) {
    unusable_ = true;
    return fail(ErrorCode::geometry_mismatch,
                "every row must be written before an image is sealed");
  }
  unusable_ = true;
  group_ = HugeBuffer{};
  // Whatever happens from here on, this staging area keeps nothing.
  Storage storage = std::exchange(storage_, Storage{});
  GYRE_FAULT_POINT(staging_seal);
  try {
    return std::make_shared<const CpuImage>(core_, geometry_, std::move(storage));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for an image");
  }
}

}  // namespace gyre::cpu
