#include "backends/cpu/batch_workspace.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "backends/cpu/interleaved_layout.hpp"
#include "backends/cpu/memory_nodes.hpp"
#include "backends/cpu/scan_functions.hpp"
#include "core/bytes.hpp"

namespace gyre::cpu {
namespace {

constexpr std::uint64_t cache_line_bytes = 64;

// Hands out pieces of a workspace, each from a cache line on; without memory it only counts.
class Pieces {
 public:
  explicit Pieces(std::uint8_t* memory) noexcept : memory_(memory) {}

  template <typename T>
  T* take(std::uint64_t count) noexcept {
    std::uint8_t* const piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += divide_rounding_up(count * sizeof(T), cache_line_bytes) * cache_line_bytes;
    return reinterpret_cast<T*>(piece);
  }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }

 private:
  std::uint8_t* memory_;
  std::uint64_t used_ = 0;
};

// Lays a workspace out from `memory` on; says how much it takes.
std::uint64_t lay_out(BatchWorkspace& space, const BatchWorkspaceShape& shape,
                      std::uint8_t* memory) noexcept {
  const std::uint64_t queries = shape.octets * octet_queries;
  Pieces pieces(memory);
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
  const std::uint64_t bytes_each = lay_out(measured, shape, nullptr);
  auto memory = buffers.take(bytes_each * count);
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
    lay_out(spaces_[i], shape, memory_.data() + i * bytes_each);
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
