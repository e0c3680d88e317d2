// What the tasks of a batch's pass work in: accounted for and allocated before the pass, as many as
// threads work on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "backends/cpu/huge_buffer.hpp"
#include "backends/cpu/kept_buffers.hpp"
#include "core/dpf/block.hpp"
#include "core/error.hpp"

namespace gyre::cpu {

struct BatchWorkspace {
  dpf::Block* bits;            // selection bits of a block, of each query of each octet
  dpf::Block* subtrees;        // nodes that keys are expanded from, of each query
  std::uint64_t* matrices;     // of each octet
  std::uint8_t* accumulators;  // of each octet
  std::uint8_t* sums;          // of the eight queries of an octet
  std::uint8_t* rows;          // of an item of what overlays change
  std::uint8_t* columns;       // of several such items

  // What tasks spent in all, and of that in expanding keys.
  double seconds = 0;
  double expansion_seconds = 0;
};

// How large its parts are, and how far apart those of one query or octet and the next lie.
struct BatchWorkspaceShape {
  std::size_t octets;
  std::size_t bits_stride;         // blocks, a query
  std::size_t subtrees_stride;     // blocks, a query
  std::size_t matrices_stride;     // matrices, an octet
  std::size_t accumulator_stride;  // bytes, an octet
  std::size_t sum_bytes;           // bytes, a query
  std::size_t row_bytes;           // bytes, a row of an overlay's item
  std::size_t items;               // of an overlay at once
};

// Thread-safe once allocated.
class BatchWorkspaces {
 public:
  BatchWorkspaces() = default;
  ~BatchWorkspaces();
  BatchWorkspaces(const BatchWorkspaces&) = delete;
  BatchWorkspaces& operator=(const BatchWorkspaces&) = delete;

  // Of any content, in memory that goes back to `buffers` in the end. Once. Errors: out_of_memory.
  [[nodiscard]] Result<void> allocate(const BatchWorkspaceShape& shape, std::size_t count,
                                      KeptBuffers& buffers);

  // One of those that are meant for that memory node, of so many, if there is one left: whoever
  // works there touched it first, in this pass or in one before. REQUIRES: fewer are taken than
  // were allocated.
  [[nodiscard]] BatchWorkspace* take(unsigned node, unsigned nodes) noexcept;
  void give_back(BatchWorkspace* space) noexcept;

  [[nodiscard]] const std::vector<BatchWorkspace>& all() const noexcept { return spaces_; }

 private:
  KeptBuffers* buffers_ = nullptr;
  HugeBuffer memory_;  // theirs
  std::vector<BatchWorkspace> spaces_;
  std::mutex mutex_;
  std::vector<BatchWorkspace*> free_;
};

}  // namespace gyre::cpu
