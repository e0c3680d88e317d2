#include "backends/cpu/batch_workspace.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/memory_nodes.hpp"
#include "backends/cpu/memory_pieces.hpp"
#include "backends/cpu/scan_functions.hpp"
#include "core/bytes.hpp"

namespace gyre::cpu {
namespace {

// Lays a workspace out from `memory` on; says how much it takes, if there is such a size.
std::optional<std::uint64_t> lay_out(BatchWorkspace& space, const BatchWorkspaceShape& shape,
                                     std::uint8_t* memory) noexcept {
  const std::uint64_t queries = shape.octets * octet_queries;
  MemoryPieces pieces(memory);
  space.bits = pieces.take<dpf::Block>(queries * shape.bits_stride);
  space.subtrees = pieces.take<dpf::Block>(queries * shape.subtrees_stride);
  space.matrices = pieces.take<std::uint64_t>(shape.octets * shape.matrices_stride);
  space.accumulators = pieces.take<std::uint8_t>(shape.octets * shape.accumulator_stride);
  space.sums = pieces.take<std::uint8_t>(octet_queries * shape.sum_bytes);
  space.rows = pieces.take<std::uint8_t>(pages_per_group * shape.row_bytes);
  space.columns = pieces.take<std::uint8_t>(shape.items * pages_per_group * shape.row_bytes);
  return pieces.used();
}

}  // namespace

BatchWorkspaces::~BatchWorkspaces() {
  if (buffers_ != nullptr) buffers_->give_back(std::move(memory_));
}

Result<void> BatchWorkspaces::allocate(const BatchWorkspaceShape& shape, std::size_t count,
                                       KeptBuffers& buffers) {
  BatchWorkspace measured;
  const auto bytes_each = lay_out(measured, shape, nullptr);
  const auto bytes = bytes_each ? checked_multiply(*bytes_each, count) : std::nullopt;
  if (!bytes) return fail(ErrorCode::out_of_memory, "no memory for the workspaces of a pass");
  auto memory = buffers.take(*bytes);
  if (!memory) return forward_error(memory);
  buffers_ = &buffers;
  memory_ = std::move(*memory);
  try {
    spaces_.resize(count);
    free_.reserve(count);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the workspaces of a pass");
  }
  for (std::size_t i = 0; i < count; ++i) {
    lay_out(spaces_[i], shape, memory_.data() + i * *bytes_each);
    free_.push_back(&spaces_[i]);
  }
  return {};
}

BatchWorkspace* BatchWorkspaces::take(unsigned node, unsigned nodes) noexcept {
  const std::lock_guard lock(mutex_);
  const auto near = std::find_if(free_.begin(), free_.end(), [&](const BatchWorkspace* space) {
    const auto number = static_cast<std::uint64_t>(space - spaces_.data());
    return node_of_part(number, spaces_.size(), nodes) == node;
  });
  if (near != free_.end()) std::swap(*near, free_.back());
  BatchWorkspace* const space = free_.back();
  free_.pop_back();
  return space;
}

void BatchWorkspaces::give_back(BatchWorkspace* space) noexcept {
  const std::lock_guard lock(mutex_);
  free_.push_back(space);
}

}  // namespace gyre::cpu
